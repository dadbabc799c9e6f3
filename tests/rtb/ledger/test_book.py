"""A replica's leases, with a clock of the test's own."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.ledger import ANYBODY, LeaseBook, LedgerError, MemoryLedger
from rtb.settlement.notice_tokens import BidRef, Kind
from tests.rtb.ledger.support import NOW, assert_adds_up, balance, pots

LEASE_SECONDS, NOTICE_TTL, LONGEST_TTL = 8.0, 60.0, 7_200.0


class Away(MemoryLedger):
    """A ledger that can be out of reach, and says what it granted."""

    def __init__(self) -> None:
        super().__init__()
        self.unavailable = False
        self.granted: dict[int, int] = {}
        self.expires: dict[int, float] = {}
        self.before_close: Any = None

    async def lease(self, grants: Any) -> list[int]:
        self._reach()
        amounts = await super().lease(grants)
        for grant, amount in zip(grants, amounts, strict=True):
            self.granted[grant.lease] = amount
            self.expires[grant.lease] = grant.expires
        return amounts

    async def close(self, leases: Any) -> None:
        self._reach()
        if self.before_close is not None:
            self.before_close()
        await super().close(leases)

    def _reach(self) -> None:
        if self.unavailable:
            raise LedgerError("unavailable")


class Replica:
    """A book, its ledger and its clock; a runner for the calls that wait."""

    def __init__(self, *, budget: int = 1_000, share: float = 0.25, caller_share: float = 1.0) -> None:
        self.now = NOW
        self.ledger = Away()
        asyncio.run(self.ledger.open(1, budget))
        self.book = LeaseBook(
            self.ledger,
            seconds=LEASE_SECONDS,
            share=share,
            notice_ttl=NOTICE_TTL,
            longest_ttl=LONGEST_TTL,
            caller_share=caller_share,
            clock=lambda: self.now,
        )

    def maintain(self) -> None:
        asyncio.run(self.book.maintain())

    def shutdown(self) -> None:
        asyncio.run(self.book.shutdown())

    def reserve(self, ceiling: int) -> bool:
        return self.book.reserve(1, ceiling) is not None

    @property
    def pots(self) -> dict[str, int]:
        return asyncio.run(pots(self.ledger))


@pytest.fixture
def replica() -> Replica:
    """Build a replica with a lease of 250."""
    replica = Replica()
    replica.book.keep_leased({1})
    replica.maintain()
    return replica


def test_there_is_nothing_to_bid_from_before_the_first_lease():
    replica = Replica()
    assert not replica.reserve(10)
    assert replica.pots == {"available": 1_000}


def test_a_lease_asked_for_ahead_pays_the_first_bid(replica: Replica):
    assert replica.pots == {"available": 750, "leased": 250}
    assert replica.reserve(10)


def test_a_bid_that_could_not_be_paid_asks_for_a_lease():
    replica = Replica()
    assert not replica.reserve(10)
    replica.maintain()
    assert replica.reserve(10)


def test_bids_of_a_lease_have_identities_of_their_own(replica: Replica):
    first, second = replica.book.reserve(1, 10), replica.book.reserve(1, 10)
    assert first is not None
    assert second is not None
    assert first.lease == second.lease
    assert first.sequence != second.sequence
    assert first.expires == int(NOW + NOTICE_TTL)


@pytest.mark.parametrize(
    ("ttl", "kept"), [(10.0, 10.0), (NOTICE_TTL, NOTICE_TTL), (math.inf, NOTICE_TTL), (9e9, LONGEST_TTL)]
)
def test_a_bid_is_held_as_long_as_its_notices_are_honoured(replica: Replica, ttl: float, kept: float):
    reservation = replica.book.reserve(1, 30, ttl)
    assert reservation is not None
    assert reservation.expires == int(NOW + kept)
    assert replica.book.reserve(1, 5, 1.0) is not None  # a shorter one after it shortens nothing
    replica.shutdown()
    assert asyncio.run(replica.ledger.reclaim(reservation.expires)) == 0
    assert asyncio.run(replica.ledger.reclaim(reservation.expires + 10)) == 35


def test_a_lease_that_is_never_closed_outlives_the_longest_token_it_could_have_signed(replica: Replica):
    assert replica.book.reserve(1, 30, 1.0) is not None
    assert asyncio.run(replica.ledger.reclaim(NOW + LEASE_SECONDS + NOTICE_TTL)) == 0
    assert asyncio.run(replica.ledger.reclaim(NOW + LEASE_SECONDS + NOTICE_TTL + 10)) == 250


def test_a_late_notice_is_paid_though_nobody_closed_its_lease(replica: Replica):
    reservation = replica.book.reserve(1, 100, LONGEST_TTL)
    assert reservation is not None
    asyncio.run(replica.ledger.reclaim(NOW + LEASE_SECONDS + NOTICE_TTL + 10))
    ref = BidRef(reservation.lease, reservation.sequence, 1, 0, 100, reservation.expires)
    asyncio.run(replica.ledger.settle(ref, Kind.BILL, 70, float(ref.expires)))
    assert replica.pots == {"available": 930, "spent": 70}


def test_a_lease_pays_to_its_last_micro_and_no_further(replica: Replica):
    assert replica.reserve(249)
    assert not replica.reserve(2)
    assert replica.reserve(1)
    assert not replica.reserve(1)


@given(
    share=st.sampled_from([0.05, 0.3, 1.0]),
    steps=st.lists(st.one_of(st.integers(0, 300), st.sampled_from(["maintain", "tick"])), max_size=60),
)
def test_never_more_is_reserved_than_was_leased(share: float, steps: list[int | str]):
    replica = Replica(share=share)
    held: dict[int, int] = {}
    for step in steps:
        if step == "maintain":
            replica.maintain()
        elif step == "tick":
            replica.now += 1.5
        else:
            reservation = replica.book.reserve(1, int(step))
            if reservation is not None:
                held[reservation.lease] = held.get(reservation.lease, 0) + int(step)
                assert held[reservation.lease] <= replica.ledger.granted[reservation.lease]
                assert reservation.expires < replica.ledger.expires[reservation.lease]
    replica.shutdown()
    after = asyncio.run(balance(replica.ledger))
    assert_adds_up(after)
    assert (after.leased, after.reserved) == (0, sum(held.values()))


def test_a_used_lease_is_renewed_before_it_ends(replica: Replica):
    assert replica.reserve(10)
    replica.now += LEASE_SECONDS * 0.8
    replica.maintain()
    assert replica.pots == {"available": 802, "leased": 188, "reserved": 10}  # bids of the size seen, or the share
    replica.now += LEASE_SECONDS * 0.8  # past the end of the first
    assert replica.reserve(10)


def test_an_unused_lease_is_kept_up_for_a_campaign_that_may_bid(replica: Replica):
    for _ in range(20):
        replica.now += LEASE_SECONDS * 0.2
        replica.maintain()
        replica.book.keep_leased({1})
    assert replica.reserve(10)


def test_bidding_goes_on_while_a_lease_is_being_renewed(replica: Replica):
    assert replica.reserve(10)
    replica.now += LEASE_SECONDS * 0.8
    replica.ledger.before_close = lambda: bids.append(replica.reserve(10))
    bids: list[object] = []
    replica.maintain()
    assert bids
    assert all(bids)


def test_an_unused_lease_is_let_go_when_it_ends(replica: Replica):
    replica.book.keep_leased(set())
    replica.now += LEASE_SECONDS * 0.8
    replica.maintain()
    assert replica.pots == {"available": 750, "leased": 250}
    replica.now += LEASE_SECONDS * 0.2
    replica.maintain()
    assert replica.pots == {"available": 1_000}


def test_nothing_is_bid_from_a_lease_past_its_end(replica: Replica):
    replica.now += LEASE_SECONDS
    assert not replica.reserve(10)


def test_a_dry_lease_is_replaced_by_one_that_pays_the_bid_that_failed(replica: Replica):
    assert replica.reserve(200)
    assert not replica.reserve(400)
    assert not replica.reserve(300)
    replica.maintain()
    assert replica.pots == {"available": 400, "leased": 400, "reserved": 200}
    assert replica.reserve(400)


def test_a_campaign_without_money_is_asked_again_at_the_next_bid():
    replica = Replica(budget=0)
    assert not replica.reserve(10)
    replica.maintain()
    assert not replica.reserve(10)
    asyncio.run(replica.ledger.open(1, 100))
    replica.maintain()
    assert replica.reserve(10)


def test_a_lease_that_runs_dry_while_others_are_closed_is_closed_too(replica: Replica):
    asyncio.run(replica.ledger.open(2, 1_000))
    replica.book.keep_leased({2})
    replica.maintain()
    assert not replica.book.reserve(2, 900)  # campaign 2's lease is to be replaced
    replica.ledger.before_close = lambda: replica.reserve(700)  # meanwhile campaign 1's cannot pay a bid
    replica.maintain()
    replica.ledger.before_close = None
    replica.shutdown()
    assert replica.pots == {"available": 1_000}


def test_bids_are_paid_from_held_leases_while_the_ledger_is_away(replica: Replica):
    replica.ledger.unavailable = True
    for _ in range(5):
        assert replica.reserve(10)
        replica.maintain()  # there is nothing to ask the ledger yet
        replica.now += 1


def test_what_was_to_be_done_while_the_ledger_was_away_is_done_later(replica: Replica):
    assert replica.reserve(200)
    assert not replica.reserve(400)
    replica.ledger.unavailable = True
    for _ in range(3):
        with pytest.raises(LedgerError):
            replica.maintain()
        assert not replica.reserve(60)  # asks for less than the bid before it
    replica.ledger.unavailable = False
    replica.maintain()
    assert replica.pots == {"available": 400, "leased": 400, "reserved": 200}
    assert replica.reserve(400)


def test_a_first_lease_is_asked_for_until_the_ledger_answers():
    replica = Replica()
    replica.book.keep_leased({1})
    replica.ledger.unavailable = True
    with pytest.raises(LedgerError):
        replica.maintain()
    replica.ledger.unavailable = False
    replica.maintain()
    assert replica.reserve(10)


def test_shutdown_returns_what_was_not_bid(replica: Replica):
    assert replica.reserve(30)
    replica.shutdown()
    assert replica.pots == {"available": 970, "reserved": 30}
    assert not replica.reserve(10)


def test_a_shutdown_that_failed_can_be_repeated(replica: Replica):
    assert replica.reserve(30)
    replica.ledger.unavailable = True
    with pytest.raises(LedgerError):
        replica.shutdown()
    replica.ledger.unavailable = False
    replica.shutdown()
    assert replica.pots == {"available": 970, "reserved": 30}


def test_a_lease_whose_closing_was_cancelled_is_closed_at_the_next_call(replica: Replica):
    def cancel() -> None:
        raise asyncio.CancelledError

    assert replica.reserve(200)
    assert not replica.reserve(100)
    replica.ledger.before_close = cancel
    with pytest.raises(asyncio.CancelledError):
        replica.maintain()
    replica.ledger.before_close = None
    replica.shutdown()
    assert replica.pots == {"available": 800, "reserved": 200}


def test_a_bid_settles_after_its_replica_is_gone_and_the_rest_comes_back(replica: Replica):
    reservation = replica.book.reserve(1, 100)
    assert reservation is not None
    ref = BidRef(reservation.lease, reservation.sequence, 1, 0, 100, reservation.expires)
    asyncio.run(replica.ledger.reclaim(float(ref.expires)))
    asyncio.run(replica.ledger.settle(ref, Kind.BILL, 70, float(ref.expires)))
    assert replica.pots == {"available": 780, "leased": 150, "spent": 70}
    asyncio.run(replica.ledger.reclaim(ref.expires + LEASE_SECONDS + 10))
    assert replica.pots == {"available": 930, "spent": 70}


async def test_replicas_choose_different_lease_numbers():
    ledger = Away()
    await ledger.open(1, 1_000)
    for _ in range(20):
        book = LeaseBook(ledger, seconds=LEASE_SECONDS, share=0.01, notice_ttl=NOTICE_TTL)
        book.keep_leased({1})
        await book.maintain()
    assert len({number for number, amount in ledger.granted.items() if amount}) == 20


def test_a_lease_that_nothing_is_bid_from_is_renewed_ever_more_seldom_and_pays_a_first_bid_at_any_time(
    replica: Replica,
):
    def wait(seconds: float) -> int:
        asked = len(replica.ledger.granted)
        for _ in range(int(seconds)):
            replica.now += 1.0
            replica.book.keep_leased({1})
            replica.maintain()
            assert any(lease.until > replica.now for lease in replica.book._open.values())
            for lease in replica.book._open.values():
                assert lease.until + NOTICE_TTL < replica.ledger.expires[lease.number]
        return len(replica.ledger.granted) - asked

    assert wait(200.0) > wait(200.0) <= 3
    held = replica.book.reserve(1, 10)
    assert held is not None
    assert held.expires < replica.ledger.expires[held.lease]
    assert wait(2 * LEASE_SECONDS) >= 1  # from its first bid on it is like any other


def test_a_campaign_that_may_not_bid_any_more_gives_back_what_it_never_bid_from(replica: Replica):
    for _ in range(200):
        replica.now += 1.0
        replica.book.keep_leased({1})
        replica.maintain()
    replica.book.keep_leased(set())
    replica.now += LEASE_SECONDS
    replica.maintain()
    assert replica.pots == {"available": 1_000}


@given(steps=st.lists(st.sampled_from([0.1, 1.0, 7.0, 40.0, -1.0]), max_size=40))
def test_no_bid_is_honoured_longer_than_the_ledger_keeps_its_lease(steps: list[float]):
    replica = Replica(budget=10**6)
    replica.book.keep_leased({1})
    for step in steps:
        replica.now += max(step, 0.0)
        replica.maintain()
        replica.book.keep_leased({1} if step != 1.0 else set())
        if step < 0:
            held = replica.book.reserve(1, 10)
            assert held is None or held.expires < replica.ledger.expires[held.lease]


def test_what_bids_wait_for_is_fetched_before_what_is_kept_ready():
    replica = Replica()
    for campaign in range(2, 1_000):
        asyncio.run(replica.ledger.open(campaign, 1_000))
    replica.book.keep_leased(set(range(2, 1_000)))
    assert not replica.reserve(10)
    replica.maintain()
    assert len(replica.book._open) == 999
    assert (1, 0) in list(replica.book._open)[:64]


# --- callers

THIEF, HONEST = 666, 7


def test_what_is_kept_ready_goes_to_the_first_caller_that_bids_and_its_bids_alone():
    replica = Replica()
    replica.book.keep_leased({1})
    replica.maintain()
    assert replica.book.reserve(1, 10, caller=THIEF) is not None
    assert replica.book.reserve(1, 10, caller=HONEST) is None
    replica.maintain()
    assert replica.book.reserve(1, 10, caller=HONEST) is not None
    assert set(replica.book._open) == {(1, THIEF), (1, HONEST)}


def test_a_caller_that_never_pays_leaves_a_share_to_others():
    replica = Replica(share=1.0, caller_share=0.5)
    replica.book.keep_leased({1})

    def bids(caller: int) -> int:
        """Until it has none for a while."""
        made = missed = 0
        while missed < 20:
            if replica.book.reserve(1, 10, 1_000.0, caller) is None:
                missed += 1
                replica.maintain()
            else:
                made, missed = made + 1, 0
            replica.now += 0.1
        return made

    replica.book.reserve(1, 10, 1_000.0, THIEF)  # so that nothing lies ready for whoever comes
    assert bids(THIEF) == 50
    assert bids(HONEST) == 50
    assert replica.book.take_counts().held


def test_a_caller_that_holds_enough_does_not_get_what_is_kept_ready():
    replica = Replica(share=0.2, caller_share=0.1)
    for _ in range(20):
        replica.book.reserve(1, 100, caller=THIEF)
        replica.maintain()
    replica.book.keep_leased({1})
    replica.now += LEASE_SECONDS
    replica.maintain()
    replica.book.keep_leased({1})
    replica.maintain()
    assert (1, ANYBODY) in replica.book._open
    assert replica.book.reserve(1, 1, caller=THIEF) is None
    assert replica.book.reserve(1, 1, caller=HONEST) is not None
    replica.shutdown()
    assert replica.pots == {"available": 899, "reserved": 101}
