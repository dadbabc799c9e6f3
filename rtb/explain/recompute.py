"""Recomputation of a recorded bid, by the code of the hot path and the snapshots it was made by.

The rest of its batch does not affect its price; what does (frequency caps, the split of an experiment) is recorded. The
model's probabilities are recomputed as well, and must agree with the recorded ones up to rounding: a matrix product
rounds depending on its shape, so the price is computed from the recorded ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from rtb.auction.batch import Batch, Prepared
from rtb.auction.edge import Edge
from rtb.auction.stages import BidStage, PricedCandidates
from rtb.explain.reader import RecordedBid
from rtb.explain.records import Rules
from rtb.explain.snapshot_loader import RecomputeError, SnapshotLoader
from rtb.inventory.impression import HOURS_OF_WEEK, hour_of_week
from rtb.ledger import LeaseBook, MemoryLedger
from rtb.models.scores import CLICK, CONVERSION
from rtb.money.accounts import campaign_of
from rtb.openrtb import BidRequest, InvalidRequest, NoBid
from rtb.sellers import TrustingDirectory
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.users import UserKeys

_NEAR = 1e-4
"""Relative tolerance of a probability: single precision in sums of some hundred terms."""

_NOBODY = Signer("nothing is signed with this")
_NO_USERS = UserKeys("nobody has a number by this")


class Recomputed(NamedTuple):
    """A recomputed bid.

    Attributes:
        found: the recorded bid.
        rules: rules that its request was read by.
        request: the decoded request.
        batch: batch of this one request, with all its candidates.
        probability: probabilities of the candidates, shape `(n, 2)`; the recorded ones where there are any.
        model: the model's recomputed probabilities, shape `(n, 2)`.
        stage: bid stage that priced them, with its table and multipliers.
        priced: the priced candidates.
        candidate: index of the bid's candidate in the batch.
        place: index of that candidate in `priced.known`.
        open_lines: bitmap of the campaigns open when candidates were found; none: all.
    """

    found: RecordedBid
    rules: Rules
    request: Prepared
    batch: Batch
    probability: npt.NDArray[np.float32]
    model: npt.NDArray[np.float32]
    stage: BidStage
    priced: PricedCandidates
    candidate: int
    place: int
    open_lines: npt.NDArray[np.uint64] | None

    @property
    def price_micros(self) -> int:
        """Recomputed price."""
        return int(self.priced.bids[self.place])

    @property
    def is_equal(self) -> bool:
        """Whether it equals the recorded price, to the micro."""
        return self.price_micros == self.found.bid.price_micros


def recompute(found: RecordedBid, loader: SnapshotLoader) -> Recomputed:
    """Recompute a recorded bid.

    Raises:
        NotKept: a snapshot that it was made by is no longer kept.
        RecomputeError: the bid cannot be reproduced.
    """
    recorded, one = found.batch, found.request
    rules = loader.rules(one.rules)
    edge = Edge(
        signer=_NOBODY,
        users=_NO_USERS,
        base_url="",
        currency=rules.currency,
        max_imps=rules.max_imps,
        max_candidates=rules.max_candidates,
        clock=lambda: _moment_of(one.hour),
    )
    edge.set_rates(rules.rates)
    edge.set_sellers(TrustingDirectory())
    request = _read(edge, found, rules, loader)
    open_lines = None
    if recorded.opened:
        opened = loader.table(recorded.opened)
        numbers = campaign_of(opened["number"][opened["open"]])
        edge.set_open(numbers.tolist())
        open_lines = edge.open_lines
    batch = _assembled(edge, request, found)
    model = loader.scorer(recorded.ctr).score(batch.rows)
    candidate, probability = _with_recorded(found, batch, model)
    stage = _stage(found, loader)
    priced = stage.price_candidates(batch.auction(probability))
    place = int(np.searchsorted(priced.known, candidate))
    if place == len(priced.known) or priced.known[place] != candidate:
        raise RecomputeError(f"by pacing table {recorded.pacing} campaign {_campaign(found)} may not bid")
    account = int(stage.table["number"][priced.row[place]])
    if account != found.bid.account:
        raise RecomputeError(f"account {account} would bid, and account {found.bid.account} did")
    return Recomputed(found, rules, request, batch, probability, model, stage, priced, candidate, place, open_lines)


def _moment_of(hour: int) -> float:
    """Return a Unix time in this hour of the week."""
    return float((hour - hour_of_week(0.0)) % HOURS_OF_WEEK * 3_600)


def _read(edge: Edge, found: RecordedBid, rules: Rules, loader: SnapshotLoader) -> Prepared:
    """Return the request read with the catalog of its arrival; the edge is left with that of the decision."""
    one = found.request
    view = loader.view(found.batch.catalog)
    edge.show(loader.view(one.catalog))
    try:
        request = (
            edge.prepare_object(msgspec.json.decode(one.body, type=BidRequest), rules.exchange, one.caller)
            if one.is_flat
            else edge.prepare(one.body, rules.exchange, one.caller)
        )
    except (InvalidRequest, msgspec.MsgspecError) as error:
        raise RecomputeError(f"the recorded request cannot be read: {error}") from error
    edge.show(view)
    return request


def _assembled(edge: Edge, request: Prepared, found: RecordedBid) -> Batch:
    """Return the request's batch, without the candidates removed by frequency caps."""
    batch = edge.assemble([request])
    if found.request.is_challenger:
        challenger = np.ones(len(request.impressions), bool)
        batch = replace(batch, terms=batch.terms._replace(challenger=challenger))
    if found.request.left_out:
        batch = batch.without(np.isin(batch.campaign, found.request.left_out), NoBid.USER_CAP)
    return batch


def _with_recorded(
    found: RecordedBid, batch: Batch, model: npt.NDArray[np.float32]
) -> tuple[int, npt.NDArray[np.float32]]:
    """Return the bid's candidate, and the model's probabilities with recorded ones of the request's bids put in."""
    probability, candidate = model.copy(), -1
    imp, creative = batch.candidates.imp, batch.candidates.creative
    for bid in found.request.bids:
        places = np.flatnonzero((imp == bid.impression) & (creative == bid.creative))
        if len(places) != 1:
            raise RecomputeError(
                f"campaign {campaign_of(bid.account)} is not a candidate in catalog {found.batch.catalog}"
            )
        recorded = np.array([bid.click, bid.conversion], np.float32)
        again = model[places[0]]
        if not np.allclose(again, recorded, rtol=_NEAR, atol=0.0):
            raise RecomputeError(
                f"CTR model {found.batch.ctr} now predicts {again.tolist()}, and predicted {recorded.tolist()}"
            )
        probability[places[0], [CLICK, CONVERSION]] = recorded
        if bid is found.bid:
            candidate = int(places[0])
    return candidate, probability


def _stage(found: RecordedBid, loader: SnapshotLoader) -> BidStage:
    """Return a bid stage that prices candidates without money."""
    recorded = found.batch
    book = LeaseBook(MemoryLedger(), seconds=1.0, share=1.0, notice_ttl=1.0)
    stage = BidStage(loader.policy(recorded.policy), book)
    stage.set_challenger(loader.policy(recorded.challenger) if recorded.challenger else None)
    stage.set_pacing_table(loader.table(recorded.pacing), recorded.pacing)
    return stage


def _campaign(found: RecordedBid) -> int:
    return int(campaign_of(found.bid.account))
