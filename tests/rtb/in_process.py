"""The whole hot path in one thread: from the bytes of a request to the bytes of its answer, with money in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count

from rtb.auction.batch import Answer, Prepared
from rtb.auction.edge import Edge
from rtb.auction.stages import BidStage, CTRStage
from rtb.ledger import LeaseBook, MemoryLedger
from rtb.models.ctr import CTRScorer
from rtb.models.policy import neutral
from rtb.money.currency import Rates
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.listing import Listing
from rtb.targeting.users import UserKeys
from tests.rtb.builders import MONDAY_NOON, make_table

SIGNER = Signer("a secret of the tests, and long")
USERS = UserKeys("a secret of the tests for users")
URL = "https://bid.example"
_CTR = CTRStage(CTRScorer.untrained())


class InProcess:
    """Every stage of a request as the platform wires them, with an untrained model: one click in a thousand.

    Args:
        listings: the campaigns.
        budget: micros each may spend.
        rates: of currencies.
        max_imps: imps looked at in one request.
    """

    def __init__(
        self, listings: Sequence[Listing], *, budget: int = 10**12, rates: Rates | None = None, max_imps: int = 64
    ) -> None:
        numbers = count(1)
        self.ledger = MemoryLedger()
        self.book = LeaseBook(
            self.ledger,
            seconds=5.0,
            share=1.0,
            notice_ttl=1_800.0,
            clock=lambda: MONDAY_NOON,
            new_number=lambda: next(numbers),
        )
        self.edge = Edge(
            signer=SIGNER,
            users=USERS,
            base_url=URL,
            currency="USD",
            max_imps=max_imps,
            max_candidates=16,
            clock=lambda: MONDAY_NOON,
        )
        if rates is not None:
            self.edge.set_rates(rates)
        self.stage = BidStage(neutral(), self.book)
        self.edge.set_catalog(listings)
        self.stage.set_pacing_table(make_table(listings))
        asyncio.run(self._fund(listings, budget))

    async def _fund(self, listings: Sequence[Listing], budget: int) -> None:
        for listing in listings:
            await self.ledger.open(listing.number, budget)
        await self.book.maintain()

    def answer(self, *bodies: bytes) -> list[Answer]:
        """Return the answers to requests that came in one batch.

        Raises:
            InvalidRequest: one of them cannot be answered.
        """
        return self.answer_prepared([self.edge.prepare(body) for body in bodies])

    def answer_prepared(self, requests: Sequence[Prepared]) -> list[Answer]:
        """Return the answers to requests that are decoded already."""
        batch = self.edge.assemble(requests)
        probability = _CTR.score(batch.rows).probability
        answers, _ = self.edge.render(batch, probability, self.stage.decide(batch.auction(probability)))
        return answers
