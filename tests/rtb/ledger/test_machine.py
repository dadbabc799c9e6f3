"""Any order of bids, notices, deaths and edits: both ledgers agree with each other, and with what is promised."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rtb.events.schema import to_table
from rtb.events.spend import move_rows
from rtb.events.stream import StreamEntry
from rtb.ledger import Balance, Day, Grant, Ledger, NoticeOutcome, Terms, Transfer, Usage
from rtb.ledger.history import History
from rtb.settlement.notice_tokens import BidRef, Kind
from tests.conftest import Valkey
from tests.rtb.ledger import model
from tests.rtb.ledger.model import Bid, Spending
from tests.rtb.ledger.support import CAMPAIGNS, NOW, assert_adds_up
from tests.rtb.ledger.worlds import NOTICE_TTL, REPLICAS, Work, Worlds

EXAMPLES, STEPS = 500, 35
DAY_SECONDS = 25

WIN, BILL, LOSS = Kind.WIN, Kind.BILL, Kind.LOSS

Traffic = tuple[int, int, list[int], float]  # replica, campaign, ceilings, seconds their notices are honoured

campaigns = st.sampled_from(CAMPAIGNS)
replicas = st.sampled_from(REPLICAS)
budgets = st.one_of(st.integers(0, 300), st.integers(0, 2_000))
dailies = st.one_of(st.just(0), st.integers(1, 80), st.integers(1, 500))
amounts = st.integers(0, 400)
picks = st.one_of(st.integers(0, 1), st.integers(0, 10**6))
traffics = st.tuples(
    replicas,
    campaigns,
    st.lists(st.integers(0, 120), min_size=1, max_size=4),
    st.sampled_from([2.0, NOTICE_TTL, 1_000.0]),
)


class Mail(NamedTuple):
    """Notices of a bid, one of the last most often, to a platform that charges on the one or the other."""

    pick: int
    kinds: list[Kind]
    price: int
    charged: Kind


def mails(least: int, most: int) -> st.SearchStrategy[Mail]:
    kinds = st.lists(st.sampled_from([WIN, BILL, LOSS]), min_size=least, max_size=most)
    return st.builds(Mail, picks, kinds, st.integers(0, 200), st.sampled_from([BILL, WIN]))


class MoneyMachine(RuleBasedStateMachine):
    """The same operations on a ledger in memory and on a server."""

    def __init__(self, valkey: Valkey, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.now = NOW
        self.worlds = Worlds(valkey, loop, lambda: self.now, self.promised)
        self.bids: list[Bid] = []
        self.events: list[StreamEntry] = []  # of ledgers that were lost
        self.terms: dict[int, Terms] = {}
        self.spending = {campaign: Spending() for campaign in CAMPAIGNS}
        self.others: dict[int, float] = {}  # leases of nobody's book, and when they end
        self.seen = dict.fromkeys(CAMPAIGNS, Balance())
        self.foreseen: dict[int, Balance] = {}
        self.paid: Counter[tuple[int, str]] = Counter()  # by campaign and day
        self.exposed = dict.fromkeys(CAMPAIGNS, 0)

    def promised(self, grant: Grant, balance: Balance) -> int:
        """Return what a grant should give, and note the day it names."""
        if grant.lease in self.others:
            return 0
        self.spending[grant.campaign].hear(grant)
        return model.granted(grant, self.terms[grant.campaign], self.spending[grant.campaign].of(balance))

    # --- bids and leases

    @initialize(budgets=st.tuples(budgets, budgets), dailies=st.tuples(dailies, dailies), traffic=traffics)
    def the_platform_starts(self, budgets: tuple[int, int], dailies: tuple[int, int], traffic: Traffic) -> None:
        for campaign, budget, daily in zip(CAMPAIGNS, budgets, dailies, strict=True):
            self.open(campaign, Terms(budget, daily))
        self.every_promise_is_kept()
        for replica in REPLICAS:
            self.worlds.start(replica, CAMPAIGNS)
            self.worlds.on_books(replica, "maintain")
        self.bid(*traffic)

    @rule(traffic=traffics)
    def bids_are_made(self, traffic: Traffic) -> None:
        self.bid(*traffic)

    def bid(self, replica: int, campaign: int, ceilings: Sequence[int], ttl: float) -> None:
        """Those that find no lease, or too little in it, are made again when there was time to ask for another."""
        missed = [ceiling for ceiling in ceilings if not self.reserve(replica, campaign, ceiling, ttl)]
        if missed:
            self.worlds.on_books(replica, "maintain")
            for ceiling in missed:
                self.reserve(replica, campaign, ceiling, ttl)

    def reserve(self, replica: int, campaign: int, ceiling: int, ttl: float) -> bool:
        held = self.worlds.reserve(replica, campaign, ceiling, ttl)
        if held is not None:
            self.bids.append(Bid(BidRef(held.lease, held.sequence, campaign, 0, ceiling, held.expires)))
        return held is not None

    @rule(
        seconds=st.sampled_from([0.5, 1.0, 4.0, 10.0, 40.0]),
        awake=st.sets(replicas),
        is_reclaimed=st.booleans(),
        traffic=traffics,
    )
    def time_passes(self, seconds: float, awake: set[int], is_reclaimed: bool, traffic: Traffic) -> None:
        """Let some replicas hear the day and renew their leases while others are late."""
        self.now += seconds
        if is_reclaimed:
            self.worlds.on_ledgers("reclaim", self.now)
            self.others = {number: ends for number, ends in self.others.items() if ends > self.now}
        for replica in sorted(awake):
            for world in self.worlds.both:
                world.books[replica].enter(dict.fromkeys(CAMPAIGNS, self.day()))
            self.worlds.on_books(replica, "maintain")
        self.bid(*traffic)

    @rule(replica=replicas, in_order=st.booleans())
    def a_replica_ends_and_another_takes_its_place(self, replica: int, in_order: bool) -> None:
        if in_order:
            self.worlds.on_books(replica, "shutdown")
        self.worlds.start(replica, CAMPAIGNS)

    def day(self, late: int = 0) -> Day:
        """Return the day as a replica this many days late knows it."""
        number = int(self.now // DAY_SECONDS) - late
        return Day(f"{number:09d}", (number + 1) * DAY_SECONDS)

    @rule(
        campaign=campaigns,
        number=st.integers(1, 5),
        least=amounts,
        share=st.sampled_from([0.0, 0.1, 1.0]),
        limits=st.tuples(amounts, amounts),
        late=st.sampled_from([0, 0, 1, 2]),
    )
    def somebody_else_leases(
        self, *, campaign: int, number: int, least: int, share: float, limits: tuple[int, int], late: int
    ) -> None:
        grant = Grant(2**63 + number, campaign, least, share, self.now + 30, *limits, self.now, *self.day(late))
        if self.worlds.on_ledgers("lease", [grant]) != [0]:
            self.others[grant.lease] = grant.expires

    # --- terms

    @rule(
        campaign=campaigns,
        budget=budgets,
        daily=dailies,
        flight=st.sampled_from([(0.0, math.inf), (0.0, math.inf), (0.0, 30.0), (20.0, 60.0)]),
        paused=st.sampled_from([False, False, False, True]),
    )
    def terms_are_edited(
        self, campaign: int, budget: int, daily: int, flight: tuple[float, float], paused: bool
    ) -> None:
        self.open(campaign, Terms(budget, daily, NOW + flight[0], NOW + flight[1], paused))

    def open(self, campaign: int, terms: Terms) -> None:
        self.worlds.on_ledgers("open", campaign, terms)
        self.terms[campaign] = terms
        self.foreseen[campaign] = model.opened(terms, self.seen[campaign])

    @rule(source=campaigns, micros=amounts)
    def budget_is_moved(self, source: int, micros: int) -> None:
        """Move money: what one campaign loses the other has, whatever is promised meanwhile."""
        target = next(other for other in CAMPAIGNS if other != source)
        told = self.worlds.on_ledgers(
            "move", [Transfer(source, target, micros, "both", "the machine says so")], self.now
        )
        moved, self.foreseen[source], self.foreseen[target] = model.moved(micros, self.seen[source], self.seen[target])
        assert told == [moved]

    # --- notices

    @precondition(lambda self: self.live())
    @rule(post=st.lists(mails(1, 3), min_size=1, max_size=6))
    def notices_come(self, post: list[Mail]) -> None:
        """One after the other, those of a bid in any order."""
        calls, expected = [], []
        for mail in post:
            place = self.pick(mail)
            calls += [(self.bids[place].ref, kind, mail) for kind in mail.kinds]
            told = self.foresee(place, mail)
            expected += [one.outcome for one in told]
            self.take_up(place, told[-1])
        for world in self.worlds.both:
            assert world.run_all([self.tell(world.ledger, *call) for call in calls]) == expected

    @precondition(lambda self: self.live())
    @rule(mail=mails(2, 4))
    def notices_of_a_bid_come_at_once(self, mail: Mail) -> None:
        """By two Routers: it is as if they had come in one order or another, and one of them is paid at most."""
        place = self.pick(mail)
        bid = self.bids[place]
        memory, valkey = self.worlds.both
        routers = itertools.cycle([valkey.ledger, self.worlds.neighbour])
        outcomes = valkey.run_all([self.tell(next(routers), bid.ref, kind, mail) for kind in mail.kinds])
        assert outcomes.count(NoticeOutcome.SETTLED) <= (not bid.is_charged)
        for order in itertools.permutations(zip(mail.kinds, outcomes, strict=True)):
            kinds, in_turn = map(list, zip(*order, strict=True))
            told = self.foresee(place, mail._replace(kinds=kinds))
            if [one.outcome for one in told] == in_turn:
                break
        else:
            raise AssertionError(f"no order of {mail.kinds} gives {outcomes}")
        assert memory.run_all([self.tell(memory.ledger, bid.ref, kind, mail) for kind in kinds]) == in_turn
        self.take_up(place, told[-1])

    def live(self) -> list[int]:
        """Places of the bids whose notices are still honoured (the notice desk refuses the others)."""
        return [place for place, bid in enumerate(self.bids) if self.now <= bid.ref.expires]

    def pick(self, mail: Mail) -> int:
        live = self.live()
        return live[-1 - mail.pick % len(live)]

    def tell(self, ledger: Ledger, ref: BidRef, kind: Kind, mail: Mail) -> Work:
        """Apply notices as the notice desk does."""
        if kind is mail.charged:
            return ledger.settle(ref, kind, mail.price, self.now)
        return ledger.release(ref, self.now) if kind is LOSS else ledger.count(ref, kind, self.now)

    def foresee(self, place: int, mail: Mail) -> list[model.Told]:
        """Return what should come of notices, one after the other."""
        bid = self.bids[place]
        balance = self.foreseen.get(bid.ref.campaign) or model.held_together(self.seen[bid.ref.campaign])
        told = []
        for kind in mail.kinds:
            told.append(model.notice(bid, kind, mail.charged, mail.price, now=self.now, balance=balance))
            bid, balance = told[-1].bid, told[-1].balance
        return told

    def take_up(self, place: int, told: model.Told) -> None:
        campaign, paid = told.bid.ref.campaign, told.bid.paid - self.bids[place].paid
        self.bids[place] = told.bid
        self.foreseen[campaign] = told.balance
        self.spending[campaign].charges.append((self.now, paid))
        self.paid[campaign, self.day().name] += paid

    @precondition(lambda self: self.bids)
    @rule(pick=picks, kind=st.sampled_from([Kind.CLICK, Kind.CONVERSION]), opportunities=amounts, eighths=amounts)
    def a_user_acts_and_usage_is_reported(self, pick: int, kind: Kind, opportunities: int, eighths: int) -> None:
        place = len(self.bids) - 1 - pick % len(self.bids)
        campaign = self.bids[place].ref.campaign
        told = model.count(self.bids[place], kind, self.seen[campaign])
        assert self.worlds.on_ledgers("count", told.bid.ref, kind, self.now) is told.outcome
        self.bids[place] = told.bid
        usage = Usage(campaign, opportunities, opportunities // 2, eighths / 8, eighths / 4)
        self.worlds.on_ledgers("report", [usage])
        self.foreseen[campaign] = model.reported(usage, told.balance)

    # --- the ledger is lost

    @precondition(lambda self: len(self.bids) > 5 and not self.events)  # once is enough
    @rule()
    def the_ledger_is_lost_and_rebuilt_from_its_events(self) -> None:
        """Without any usage: that is in no event. What leases held is available, and their bids are paid from it."""
        self.events += self.worlds.events()
        history = History(NOTICE_TTL, self.now, dict.fromkeys(CAMPAIGNS, self.day().ends - DAY_SECONDS))
        table = to_table(self.events)
        history.add(table)
        moved, given = Counter[int](), Counter[int]()
        for one in move_rows(table):
            given[one.source] += one.micros
            moved.update({one.source: -one.micros, one.target: one.micros})
        self.worlds.forget()
        self.others = {}
        self.worlds.on_ledgers("remember", list(history.marks()))
        for campaign, terms in self.terms.items():
            figures = history.balance(
                campaign, terms.budget_micros, moved_micros=moved[campaign], given_micros=given[campaign]
            )
            assert self.worlds.on_ledgers("restore", campaign, figures)
            self.worlds.on_ledgers("open", campaign, terms)
            self.spending[campaign].restart(self.day().ends - DAY_SECONDS)
            self.foreseen[campaign] = model.rebuilt(terms, self.spending[campaign].of(self.seen[campaign]))
        self.bids = [bid.rebuilt() for bid in self.bids]
        for replica in REPLICAS:
            self.worlds.start(replica, CAMPAIGNS)

    # --- what always holds

    @invariant()
    def every_promise_is_kept(self) -> None:
        everywhere = 0
        for campaign, balance in zip(CAMPAIGNS, self.worlds.on_ledgers("balances", CAMPAIGNS), strict=True):
            assert_adds_up(balance)
            everywhere += balance.moved
            assert balance.spent == sum(bid.paid for bid in self.bids if bid.ref.campaign == campaign)
            assert balance == self.spending[campaign].of(balance)
            if campaign in self.foreseen:
                assert model.held_together(balance) == model.held_together(self.foreseen[campaign])
            self.hold_the_day(campaign, balance)
            self.seen[campaign] = balance
        assert everywhere == 0
        self.foreseen = {}

    def hold_the_day(self, campaign: int, balance: Balance) -> None:
        """By the calendar, whatever the ledger knows of it: nothing is promised or spent beyond the day's limit.

        What was promised before the day, or before it was given a lower limit, is honoured.
        """
        exposed = self.paid[campaign, self.day().name] + balance.leased + balance.reserved
        assert exposed <= max(self.terms[campaign].daily_micros or math.inf, self.exposed[campaign])
        self.exposed[campaign] = exposed

    def teardown(self) -> None:
        try:
            self.now += 10_000
            self.worlds.on_ledgers("reclaim", self.now)
            for balance in self.worlds.on_ledgers("balances", CAMPAIGNS):
                assert balance.leased == balance.reserved == 0
                assert balance.available == balance.budget - balance.spent
        finally:
            self.worlds.close()


def test_both_ledgers_keep_every_promise_whatever_happens(quick: Valkey, loop: asyncio.AbstractEventLoop):
    examples = max(EXAMPLES, settings().max_examples)
    run_state_machine_as_test(
        lambda: MoneyMachine(quick, loop),  # type: ignore[arg-type]  # what makes one will do
        settings=settings(max_examples=examples, stateful_step_count=STEPS, print_blob=True),
    )
