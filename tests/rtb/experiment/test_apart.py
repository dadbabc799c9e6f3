"""An experiment from the split of the traffic to the money: both arms bid, each from its own account."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.catalog import CatalogEntry
from rtb.experiment import Experiment, Split, decode, encode
from rtb.experiment.arms import Arms, DividedCampaigns, separate_balances
from rtb.ledger import Balance, Usage, total_balances
from rtb.models.policy import Policy, neutral
from rtb.money.accounts import MOST_CAMPAIGNS, MOST_EXPERIMENTS, arm_of, campaign_of, experiment_of
from rtb.pacing.pacemaker import Pacemaker
from rtb.pacing.snapshot import decode_pacing, encode_pacing
from rtb.settlement.notice_tokens import Kind
from rtb.targeting.listing import Listing
from tests.rtb.bidder import SIGNER, Bidder, bids_of
from tests.rtb.builders import MONDAY_NOON, make_campaign, make_request, to_json

SHARE = 0.25
BUDGET = 1_000_000_000
EXPERIMENT = Experiment(
    number=3, kind="policy", version="c", folder="c", share=SHARE, salt="of a test", started=MONDAY_NOON
)


def constant(multiplier: float) -> Policy:
    return Policy(neutral().layers, "tanh", "levels", np.array([multiplier]), "constant")


class Platform(Bidder):
    """A bidder with the Controller's part beside it."""

    def __init__(self, names: Sequence[str] = ("spring", "autumn")) -> None:
        self.entries = [
            CatalogEntry(number, make_campaign(name, budget=BUDGET), MONDAY_NOON, 1, opened=True)
            for number, name in enumerate(names, 1)
        ]
        super().__init__([Listing(entry.number, entry.campaign) for entry in self.entries], budget=BUDGET, share=0.01)
        self.arms = Arms(self.ledger)
        self.pacemaker = Pacemaker()

    def tick(self, experiment: Experiment | None = EXPERIMENT) -> DividedCampaigns:
        """Divide the campaigns as the Controller does, and hand the outcome to the bidder."""

        async def tick() -> DividedCampaigns:
            await self.ledger.report(self.stage.drain())
            balances = await self.ledger.balances([entry.number for entry in self.entries])
            divided = await self.arms.keep(self.entries, balances, experiment)
            table = self.pacemaker.tick(*self.arms.to_pace(divided), MONDAY_NOON)
            await self.ledger.report(self.stage.set_pacing_table(decode_pacing(encode_pacing(table))))
            await self.book.maintain()
            return divided

        return asyncio.run(tick())

    def serve(self, requests: int) -> None:
        """Users come, and every bid of theirs is charged and clicked."""
        before = len(self.events)
        self.answer(*(to_json(make_request(id=f"r{n}", user={"id": f"u{n}"})) for n in range(requests)))
        for event in self.events[before:]:
            assert event.price_micros > 0
        asyncio.run(self.book.maintain())

    def accounts(self) -> list[Balance]:
        numbers = [entry.number for entry in self.entries]
        arms = [EXPERIMENT.arm(number) for number in numbers]
        return asyncio.run(self.ledger.balances(numbers + arms))


@given(st.integers(0, MOST_CAMPAIGNS), st.integers(0, MOST_EXPERIMENTS))
def test_an_account_says_whose_it_is(campaign: int, experiment: int) -> None:
    account = arm_of(campaign, experiment)
    assert (campaign_of(account), experiment_of(account)) == (campaign, experiment)
    assert account < 2**31


def test_an_experiment_travels_as_bytes() -> None:
    assert decode(encode(EXPERIMENT)) == EXPERIMENT


@given(st.text(max_size=20), st.sampled_from([0.05, 0.5]))
def test_a_user_is_always_the_same_arms(user: str, share: float) -> None:
    assert Split("salt", share).takes(user) == Split("salt", share).takes(user)
    assert Split("salt", 1.0).takes(user)


def test_the_challenger_gets_its_share_of_users_and_others_in_the_next_experiment() -> None:
    first, second = (np.array([Split(salt, SHARE).takes(f"u{n}") for n in range(20_000)]) for salt in ("one", "two"))
    assert first.mean() == pytest.approx(SHARE, abs=0.015)
    assert (first & second).mean() == pytest.approx(SHARE**2, abs=0.01)


def test_arms_bid_by_their_own_policies_from_their_own_money() -> None:
    platform = Platform()
    platform.stage.set_challenger(constant(0.5))
    platform.edge.set_split(EXPERIMENT.split)
    platform.tick()
    platform.serve(400)
    challenged = [event for event in platform.events if event.experiment]
    assert len(platform.events) == 400
    assert len(challenged) / 400 == pytest.approx(SHARE, abs=0.08)
    assert {event.experiment for event in challenged} == {3}
    assert {event.multiplier for event in challenged} == {0.5}
    assert {event.multiplier for event in platform.events if not event.experiment} == {1.0}
    assert {event.campaign for event in platform.events} <= {1, 2}
    platform.tick()
    own, arms = platform.accounts()[:2], platform.accounts()[2:]
    assert sum(balance.bids for balance in arms) == len(challenged)
    assert sum(balance.bids for balance in own) == 400 - len(challenged)


def test_a_users_requests_are_all_of_one_arm_and_unknown_ones_are_divided_by_request() -> None:
    platform = Platform()
    platform.stage.set_challenger(constant(0.5))
    platform.edge.set_split(EXPERIMENT.split)
    platform.tick()
    platform.answer(*(to_json(make_request(id=f"r{n}", user={"id": "always"})) for n in range(30)))
    assert len({event.experiment for event in platform.events}) == 1
    platform.events.clear()
    platform.answer(*(to_json(make_request(id=f"r{n}")) for n in range(200)))
    assert {event.experiment for event in platform.events} == {None, 3}


def test_a_bid_of_an_arm_is_charged_to_it_and_leads_to_its_campaigns_page() -> None:
    platform = Platform(["spring"])
    platform.stage.set_challenger(constant(1.0))
    platform.edge.set_split(Split("all of it", 1.0))
    platform.tick()
    (bid,) = bids_of(platform.ask())
    ref = SIGNER.read(bid["burl"].split("/")[-1].split("?")[0], Kind.BILL)
    assert ref.campaign == EXPERIMENT.arm(1)
    asyncio.run(platform.ledger.settle(ref, Kind.BILL, 10, MONDAY_NOON))
    assert [balance.spent for balance in platform.accounts()] == [0, 10]
    assert (platform.edge.landing(ref) or "").startswith("https://shop.example/")


def test_without_a_challenger_in_this_replica_nothing_is_bid_from_its_money() -> None:
    platform = Platform(["spring"])
    platform.edge.set_split(EXPERIMENT.split)
    platform.tick()
    platform.serve(100)
    assert 0 < len(platform.events) < 100
    assert {event.experiment for event in platform.events} == {None}


def test_the_champion_bids_for_all_where_a_campaign_is_not_divided_yet() -> None:
    platform = Platform(["spring"])
    platform.edge.set_split(EXPERIMENT.split)
    platform.serve(100)
    assert [event.experiment for event in platform.events] == [None] * 100


def test_at_the_end_the_campaign_has_all_its_money_and_bids_for_all() -> None:
    platform = Platform(["spring"])
    platform.stage.set_challenger(constant(0.5))
    platform.edge.set_split(EXPERIMENT.split)
    platform.tick()
    platform.serve(50)
    ended = Experiment(
        number=3, kind="policy", version="c", folder="c", share=SHARE, salt="of a test", started=0.0, ended=1.0
    )
    divided = platform.tick(ended)
    platform.edge.set_split(ended.split)
    own, arm = platform.accounts()
    assert divided.arms == [None]
    assert arm == Balance()
    assert own.budget == BUDGET
    assert own.bids == 50
    platform.events.clear()
    platform.serve(50)
    assert [event.experiment for event in platform.events] == [None] * 50


def test_another_experiment_divides_anew() -> None:
    platform = Platform(["spring"])
    platform.tick()
    following = Experiment(number=4, kind="policy", version="d", folder="d", share=0.5, salt="b", started=1.0)
    divided = platform.tick(following)
    assert divided.own[0].arm == following.arm(1)
    assert [balance.budget for balance in (*divided.own, *divided.arms) if balance] == pytest.approx(
        [BUDGET / 2] * 2, rel=0.02
    )
    assert asyncio.run(total_balances(platform.ledger, [1]))[0].budget == BUDGET


def test_arms_are_paced_as_if_they_had_always_been_apart() -> None:
    """Half of the flight's and of the day's money is gone when the campaign is divided."""
    past = Balance(
        budget=1_000, available=400, leased=100, reserved=50, spent=450, bills=45, daily=200, spent_today=100
    )
    own = past._replace(budget=900, available=300, daily=200 - 25, arm=EXPERIMENT.arm(1))
    arm = Balance(budget=100, available=100, base=600, daily=25)
    champion, challenger = separate_balances(own, arm, SHARE, past)
    assert (champion.budget, challenger.budget) == (750, 250)
    assert champion.available / champion.budget == challenger.available / challenger.budget == 0.4
    assert (champion.daily, challenger.daily) == (150, 50)
    assert challenger.day_left(0.0) == 25
    assert champion.day_left(0.0) == own.day_left(0.0)
    assert (challenger.spent, challenger.bills) == (450, 45)
    assert separate_balances(own, arm._replace(bills=2, spent=30), SHARE, past)[1].bills == 47


def test_pacing_of_an_arm_goes_by_what_it_did_itself() -> None:
    platform = Platform(["spring"])
    platform.tick()
    asyncio.run(platform.ledger.report([Usage(EXPERIMENT.arm(1), 100, 50, 1.0)]))
    balances = asyncio.run(platform.ledger.balances([1]))
    divided = asyncio.run(platform.arms.keep(platform.entries, balances, EXPERIMENT))
    table = platform.pacemaker.tick(*platform.arms.to_pace(divided), MONDAY_NOON)
    assert table["number"].tolist() == [1, EXPERIMENT.arm(1)]
    assert table["recent_pctr"].tolist() == [0.0, pytest.approx(0.01)]
