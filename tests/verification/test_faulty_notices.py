"""An exchange on a bad day: what it sends, and what it notes of the answers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.settlement.notice_tokens import BidRef, Kind, Signer, TokenError
from simulation.exchange.client import HttpClient, Response
from simulation.exchange.report import ReplayFigures
from tests.fake_platform import Server, http
from verification.faults.notices import Diary, FaultySettler, Shares, forgeries

SIGNER = Signer("the secret of the bidder, long enough")
NONE = Shares(0, 0, 0, 0)


def notice(kind: Kind = Kind.BILL, sequence: int = 1) -> str:
    return f"/notice/{kind}/{SIGNER.sign(BidRef(7, sequence, 1, 0, 900, 2_000_000_000), kind)}?price=0.5"


@given(
    kind=st.sampled_from(Kind), seed=st.integers(0, 2**32), lease=st.integers(0, 2**63), sequence=st.integers(0, 2**31)
)
def test_no_forgery_is_a_token_of_ours(kind: Kind, seed: int, lease: int, sequence: int):
    token = SIGNER.sign(BidRef(lease, sequence, 1, 0, 900, 2_000_000_000), kind)
    for url in forgeries(f"http://bidder.example/notice/{kind}/{token}?price=1", random.Random(seed)):
        _, _, name, forged = urlsplit(url).path.split("/")
        with pytest.raises(TokenError):
            SIGNER.read(forged, Kind(name))


class Bidder:
    """Answers every notice with 204, forged or not, and counts what came."""

    def __init__(self) -> None:
        self.paths: Counter[str] = Counter()

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        self.paths[path] += 1
        return http(204)


def deliver(shares: Shares, times: int = 1, ttl: float = -2.0) -> tuple[Diary, Bidder, list[Response | None]]:
    async def run() -> tuple[Diary, Bidder, list[Response | None]]:
        diary, bidder = Diary(), Bidder()
        async with Server(bidder.answer) as server, HttpClient() as client:
            settler = FaultySettler(client, ReplayFigures(), 0, 0.0, diary=diary, shares=shares, notice_ttl=ttl, seed=3)
            answers = [
                await settler.deliver("bill", server.url + notice(sequence=n), lambda response: response.status == 204)
                for n in range(times)
            ]
            await settler.finish()
        return diary, bidder, answers

    return asyncio.run(run())


def test_on_a_good_day_each_notice_is_sent_once():
    diary, bidder, answers = deliver(NONE, 20)
    assert set(bidder.paths.values()) == {1}
    assert len(bidder.paths) == 20
    assert None not in answers
    assert diary.did.total() == 0


def test_a_dropped_notice_is_not_sent():
    diary, bidder, answers = deliver(Shares(0, 1, 0, 0))
    assert (bidder.paths.total(), answers, diary.did["dropped"]) == (0, [None], 1)


def test_a_late_notice_is_sent_after_its_time_and_its_acceptance_is_noted():
    diary, bidder, answers = deliver(Shares(0, 0, 1, 0))
    assert (bidder.paths.total(), answers, diary.late_accepted) == (1, [None], 1)


def test_a_repeated_notice_is_sent_again():
    diary, bidder, _ = deliver(Shares(1, 0, 0, 0), 10)
    assert min(bidder.paths.values()) >= 2
    assert diary.repeats[204] == bidder.paths.total() - 10


def test_a_forged_notice_that_is_believed_is_noted():
    diary, bidder, _ = deliver(Shares(0, 0, 0, 1), 5)
    assert bidder.paths.total() == 10
    assert diary.forged_accepted == 5


def test_what_is_owed_is_noted_by_bid():
    diary, figures = Diary(), ReplayFigures()
    settler = FaultySettler(HttpClient(), figures, 0, 0.0, diary=diary, shares=NONE, notice_ttl=1.0, seed=1)
    bid = SimpleNamespace(bid=SimpleNamespace(id="7-1"))
    settler.owed(SimpleNamespace(outcome=SimpleNamespace(bid=bid)), 640)  # type: ignore[arg-type]
    assert (diary.owed, figures.spend_micros) == ({"7-1": 640}, 640)
