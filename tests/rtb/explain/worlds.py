"""A platform in one thread whose decisions are recorded: requests in, a store with all that they were made by out."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import torch

from rtb.auction.batch import Answer, Prepared
from rtb.exchanges import GENERIC, Profile
from rtb.experiment import Split
from rtb.explain.recorder import Recorder
from rtb.explain.store import DecisionStore
from rtb.models import artefacts, ctr, policy
from rtb.models.ctr import CTRNetwork
from rtb.models.policy import Policy
from rtb.money.currency import NO_RATES, Rates
from rtb.openrtb import NoBid
from rtb.pacing.snapshot import PacingTable, encode_catalog, encode_pacing
from rtb.targeting.listing import Listing
from simulation import reference
from tests.rtb.bidder import PLENTY, Bidder
from tests.rtb.builders import MONDAY_NOON


def network(seed: int = 0) -> CTRNetwork:
    """Build a network whose answers depend on the row."""
    torch.manual_seed(seed)
    versions = CTRNetwork()
    with torch.no_grad():
        for parameter in versions.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return versions


def continuous(seed: int = 0) -> Policy:
    """Build a policy whose multiplier depends on its observation."""
    draw = np.random.default_rng(seed)
    sizes = [len(policy.neutral().layers[0][0][0]), 16, 1]
    layers = [
        ((draw.normal(size=(to, of)) / 2).astype(np.float32), (draw.normal(size=to) / 4).astype(np.float32))
        for of, to in pairwise(sizes)
    ]
    return Policy(tuple(layers), "tanh", "continuous", np.zeros(0), "made")


class World:
    """The hot path, recorded: with money for every campaign, and no pacing table or models yet."""

    def __init__(
        self, folder: Path, listings: Sequence[Listing], *, rates: Rates = NO_RATES, max_candidates: int = 4
    ) -> None:
        bidder = Bidder((), rates=rates, max_candidates=max_candidates)
        self.edge, self.ctr, self.stage, self.ledger = bidder.edge, bidder.ctr, bidder.stage, bidder.ledger
        self.recorder = Recorder(currency="USD", max_imps=8, max_candidates=max_candidates, clock=lambda: MONDAY_NOON)
        self.path = folder / "decisions.sqlite"
        self.store = DecisionStore(self.path, seconds=3_600.0, most_bytes=1 << 30)
        asyncio.run(self._fund(listings))

    async def _fund(self, listings: Sequence[Listing]) -> None:
        for listing in listings:
            await self.ledger.open(listing.number, PLENTY)
            await self.ledger.open(listing.number | 3 << 21, PLENTY)

    def catalog(self, listings: Sequence[Listing], version: str) -> None:
        """Set a catalog, as a Router does."""
        body = encode_catalog(list(listings))
        self.store.keep_snapshot("catalog", version, body, MONDAY_NOON)
        self.edge.set_catalog(listings, version)

    def pace(self, table: PacingTable, version: str, *, router_too: bool = True) -> None:
        """Set a pacing table."""
        self.store.keep_snapshot("pacing", version, encode_pacing(table), MONDAY_NOON)
        self.stage.set_pacing_table(table, version)
        asyncio.run(self.stage.book.maintain())
        if router_too:
            self.edge.set_open((table["number"][table["open"]] & (2**21 - 1)).tolist(), version)

    def serve_model(self, seed: int) -> None:
        """Set another CTR model."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ctr"
            ctr.save(path, network(seed), metrics={}, trained_on="nothing")
            self.ctr.scorer = ctr.CTRScorer.load(path)
            self.store.keep_snapshot("ctr", self.ctr.scorer.version, artefacts.pack(path), MONDAY_NOON)

    def serve_policy(self, seed: int, *, challenger: bool = False) -> None:
        """Set another policy, or a challenger's."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "policy"
            policy.save(path, continuous(seed), metrics={}, trained_on="nothing")
            versions = policy.load(path)
            self.store.keep_snapshot("policy", versions.version, artefacts.pack(path), MONDAY_NOON)
        (self.stage.set_challenger if challenger else self.stage.swap_policy)(versions)

    def prepare(self, body: bytes, profile: Profile = GENERIC, caller: int = 0) -> Prepared:
        """Read a request."""
        return self.edge.prepare(body, profile, caller)

    def answer(self, requests: Sequence[Prepared], barred: Sequence[int] = ()) -> list[Answer]:
        """Answer requests in one batch, without campaigns whose users have seen enough of them, and record it."""
        batch = self.edge.assemble(requests)
        out = np.isin(batch.campaign, list(barred)) & (batch.terms.user[batch.candidates.imp] != 0)
        if out.any():
            batch = batch.without(out, NoBid.USER_CAP)
        scores = self.ctr.score(batch.rows)
        decisions = self.stage.decide(batch.auction(scores.probability))
        answers, _ = self.edge.render(batch, scores.probability, decisions)
        self.recorder.note(batch, scores, decisions)
        return answers

    def flush(self) -> None:
        """Bring what was recorded into the store."""
        numbers = count()
        while (batches := self.recorder.take()) is not None:
            self.store.keep(self.recorder.pack(f"parcel-{next(numbers)}-{id(batches)}", batches))

    def split(self, share: float) -> None:
        """Give the challenger a part of the traffic."""
        self.edge.set_split(Split("salt", share))


def reference_listings(size: int) -> list[Listing]:
    """Return the campaigns of the simulated market."""
    return [Listing(number, campaign) for number, campaign in enumerate(reference.campaigns(size), 1)]
