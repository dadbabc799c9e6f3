"""The whole hot path in one thread, from the bytes of a request to the bytes of its answer, with money in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from rtb.auction.batch import Answer, Prepared
from rtb.auction.edge import Edge
from rtb.auction.stages import BidStage, CTRStage
from rtb.events import BidEvent
from rtb.ledger import LeaseBook, MemoryLedger
from rtb.models.ctr import CTRScorer
from rtb.models.policy import neutral
from rtb.money.currency import NO_RATES, Rates
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.listing import Listing
from rtb.targeting.users import UserKeys
from tests.rtb.builders import MONDAY_NOON, make_request, make_table, to_json

SIGNER = Signer("a secret of the tests, and long")
USERS = UserKeys("a secret of the tests for users")
URL = "https://bid.example"
PLENTY = 10**12


class Bidder:
    """The whole hot path in one thread."""

    def __init__(
        self,
        listings: Sequence[Listing],
        *,
        budget: int = PLENTY,
        scorer: CTRScorer | None = None,
        rates: Rates = NO_RATES,
        share: float = 1.0,
        max_imps: int = 8,
        max_candidates: int = 4,
    ) -> None:
        numbers = count(1)
        self.ledger = MemoryLedger()
        self.book = LeaseBook(
            self.ledger,
            seconds=5.0,
            share=share,
            notice_ttl=1_800.0,
            longest_ttl=90_000.0,
            clock=lambda: MONDAY_NOON,
            new_number=lambda: next(numbers),
        )
        self.edge = Edge(
            signer=SIGNER,
            users=USERS,
            base_url=URL,
            currency="USD",
            max_imps=max_imps,
            max_candidates=max_candidates,
            clock=lambda: MONDAY_NOON,
        )
        self.ctr = CTRStage(scorer or CTRScorer.untrained())
        self.stage = BidStage(neutral(), self.book)
        self.edge.set_catalog(listings)
        self.edge.set_rates(rates)
        self.stage.set_pacing_table(make_table(listings))
        self.events: list[BidEvent] = []
        asyncio.run(self._fund(listings, budget))

    async def _fund(self, listings: Sequence[Listing], budget: int) -> None:
        for listing in listings:
            await self.ledger.open(listing.number, budget)
        await self.book.maintain()

    def answer(self, *bodies: bytes) -> list[Answer]:
        """Return the answers to requests that came in one batch."""
        return self.answer_prepared([self.edge.prepare(body) for body in bodies])

    def answer_prepared(self, requests: Sequence[Prepared]) -> list[Answer]:
        """Return the answers to requests that are decoded already."""
        batch = self.edge.assemble(requests)
        probability = self.ctr.score(batch.rows).probability
        answers, events = self.edge.render(batch, probability, self.stage.decide(batch.auction(probability)))
        self.events += events
        return answers

    def ask(self, **fields: Any) -> Answer:
        return self.answer(to_json(make_request(**fields)))[0]


def bids_of(answer: Answer) -> list[dict[str, Any]]:
    if answer.body is None:
        return []
    return [bid for seat in json.loads(answer.body)["seatbid"] for bid in seat["bid"]]


def currency_of(answer: Answer) -> str:
    return "" if answer.body is None else str(json.loads(answer.body)["cur"])
