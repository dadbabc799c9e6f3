"""Supply chains: an advertiser that buys from complete chains only bids on nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exchange.rules.case import BidCase
from simulation.exchange.rules.raw import integer, obj, objects, text, texts

DEMANDING = "whole-chain.example"
"""Domain of the advertiser that demands complete chains."""


def schain(case: BidCase) -> Iterator[str]:
    """Check that the demanding advertiser bids on complete chains only."""
    if DEMANDING not in texts(case.bid.get("adomain")):
        return
    source = obj(case.request.get("source"))
    chains = [obj(source.get("schain")), obj(obj(source.get("ext")).get("schain"))]
    chain = next((one for one in chains if objects(one.get("nodes"))), {})
    nodes = objects(chain.get("nodes"))
    if integer(chain.get("complete")) != 1:
        yield "the supply chain is not complete"
    elif not all(text(node.get(name)).strip() for node in nodes for name in ("asi", "sid")):
        yield "a seller in the supply chain is not named"
