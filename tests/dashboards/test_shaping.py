"""Figures that the console shows, counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.console.shaping import auctions, campaigns, kpis, market, models, money, portfolio, why
from dashboards.console.shaping.names import OTHER, names_of
from rtb.models.features import bucket
from tests.dashboards.fake_platform import CREATED, MOVES, PORTFOLIO, RECORD, campaign, figures
from tests.dashboards.made_events import Writer, few
from tests.made_explanation import explanation

NOW = CREATED + 43_200


@pytest.fixture
def table() -> pd.DataFrame:
    return campaigns.table_of([campaign(1), campaign(2)], NOW)


@pytest.fixture
def bids(table: pd.DataFrame) -> pd.DataFrame:
    return auctions.auctions_of(few(NOW).table(), table)


def test_a_campaign_is_due_what_an_even_pace_would_have_spent(table: pd.DataFrame):
    assert table.loc["c1", "due_micros"] == 2_000_000  # half of its flight is over
    assert table.loc["c1", "value_micros"] == 4 * 300_000
    later = campaigns.table_of([campaign(1)], CREATED + 10 * 86_400)
    assert later.loc["c1", "due_micros"] == 4_000_000
    flight = {"starts_at": "2100-01-01T00:00:00Z", "ends_at": "2100-01-02T00:00:00Z"}
    assert campaigns.table_of([campaign(1, flight=flight)], NOW).loc["c1", "due_micros"] == 0


def test_a_campaign_in_another_currency_is_worth_so_much_in_the_platforms():
    budget = {"total_micros": 1, "flight_seconds": 86_400.0, "daily_micros": 50, "timezone": "UTC"}
    table = campaigns.table_of([campaign(1, budget=budget, currency="EUR", exchange_rate=0.5)], NOW)
    assert table.loc["c1", ["worth", "day_micros", "value_micros"]].tolist() == [600_000, 100, 4 * 600_000]


def test_a_campaign_whose_figures_are_away_is_left_out():
    assert campaigns.table_of([campaign(1, figures=None), campaign(2)], NOW).index.tolist() == ["c2"]
    assert campaigns.table_of([], NOW).empty


def test_the_first_figures(table: pd.DataFrame):
    found = kpis.kpis_of(table, {"requests": 500, "bid_responses": 400})
    assert (found.requests, found.bids, found.spent_micros) == (500, 400, 2_000_000)
    assert (found.bid_rate, found.win_rate, found.ctr) == (0.8, 0.25, 0.1)
    assert found.roi == pytest.approx(0.2)
    assert (found.ecpc_micros, found.ecpm_micros) == (250_000, 25_000_000)
    nothing = kpis.kpis_of(campaigns.table_of([campaign(1, figures=figures())], NOW), {})
    assert all(math.isnan(value) for value in (nothing.bid_rate, nothing.win_rate, nothing.ctr, nothing.roi))


def test_counters_by_reason_and_by_exchange():
    counters = {"no_bid.late": 2, "no_bid.floor": 5, "exchange.a.requests": 7, "exchange.a.bid_responses": 3, "x": 1}
    assert kpis.by_first(counters, "no_bid").to_dict() == {"floor": 5, "late": 2}
    assert kpis.by_exchange(counters).loc["a"].tolist() == [7, 3]
    assert kpis.by_exchange({}).empty


def test_bids_that_nobody_shows_or_bills_are_told():
    counters = {f"exchange.{name}.requests": 900 for name in ("silent", "unbilled", "paid", "losing", "new")}
    counters |= {f"exchange.{name}.bid": 600 for name in ("silent", "unbilled", "paid", "losing")}
    counters |= {"exchange_notice.unbilled.win": 15, "exchange_notice.unbilled.refused": 5, "exchange.new.bid": 4}
    counters |= {"exchange_notice.paid.win": 30, "exchange_notice.paid.charged": 1, "exchange_notice.losing.loss": 600}
    assert kpis.unnoticed(counters) == {"silent": "shown by nobody", "unbilled": "billed by nobody"}
    assert kpis.unnoticed({}) == {}


def test_bids_are_joined_with_what_became_of_them(bids: pd.DataFrame):
    assert bids["bid"].tolist() == ["b1", "b2", "b3", "b4"]
    assert bids["result"].tolist() == ["won", "won", "lost", "open"]
    assert bids["campaign"].tolist() == ["c1", "c1", "c2", "c2"]
    assert bids["cost_micros"].tolist() == [600, 1_500, 0, 0]
    assert bids["clicks"].tolist() == [1, 0, 0, 0]
    assert bids["value_micros"].tolist() == [300_000, 0, 0, 0]
    assert bids["min_to_win_micros"].fillna(-1).tolist() == [600, 1_500, 1_600, -1]
    assert bids["arm"].tolist() == ["champion", "champion", "challenger", "champion"]
    assert bids["worth_micros"].iloc[0] == pytest.approx(300_000 * 0.01 * 0.5)


def test_bids_of_campaigns_that_are_filtered_out_are_left_out(table: pd.DataFrame):
    assert auctions.auctions_of(few(NOW).table(), table.loc[["c2"]])["bid"].tolist() == ["b3", "b4"]
    assert auctions.auctions_of(Writer(NOW).table(), table).empty


def test_a_win_that_charges_is_a_charge(table: pd.DataFrame):
    made = Writer(NOW)
    made.bid("b", 1, 900)
    made.notice("win", "b", 1, price_micros=700, outcome="settled")
    bid = auctions.auctions_of(made.table(), table).iloc[0]
    assert (bid["result"], bid["cost_micros"]) == ("won", 700)


def test_sums_over_time_are_all_there_is(table: pd.DataFrame):
    found = auctions.over_time(few(NOW).table(), table, 1.0)
    assert found.sum().astype(int).to_dict() == {
        "bids": 4,
        "wins": 2,
        "losses": 1,
        "clicks": 1,
        "impressions": 2,
        "spent_micros": 2_100,
    }
    assert auctions.over_time(Writer(NOW).table(), table, 1.0).empty


def test_the_pacing_curve_ends_at_the_ledgers_figure(table: pd.DataFrame):
    made = few(NOW - 5)
    made.begin = NOW  # what follows comes five seconds later
    made.won("b4", 2, 400, 400)
    curve = money.pacing_curve(table, auctions.over_time(made.table(), table, 1.0))
    assert curve["spent"].iloc[-1] == 2_000_000
    assert curve["spent"].iloc[0] == 2_000_000 - 400
    assert curve["plan"].iloc[-1] == pytest.approx(4_000_000, rel=1e-4)
    assert curve["spent"].is_monotonic_increasing
    assert money.pacing_curve(table, pd.DataFrame()).empty


def test_buckets_get_their_names_back(bids: pd.DataFrame):
    events = few(NOW).table()
    devices = market.by_name(bids, auctions.buckets_of(events, "devicetype"), names_of("devicetype"))
    assert devices["bids"].to_dict() == {"phone": 3, "PC": 1}
    assert devices.loc["PC", "win_rate"] == 1.0
    countries = market.by_name(bids, auctions.buckets_of(events, "country"), names_of("country"))
    assert countries["bids"].to_dict() == {"USA": 3, "DEU": 1}
    formats = market.by_name(bids, auctions.buckets_of(events, "format"), names_of("format"))
    assert formats["bids"].to_dict() == {"banner": 4}


def test_a_bucket_of_another_encoder_is_other(table: pd.DataFrame):
    made = Writer(NOW)
    made.bid("b", 1, 900, feature_schema="features-0")
    made.bid("c", 1, 900, country="a country that is none")
    found = market.by_name(
        auctions.auctions_of(made.table(), table), auctions.buckets_of(made.table(), "country"), names_of("country")
    )
    assert found["bids"].to_dict() == {OTHER: 2}


@pytest.mark.parametrize("field", ["devicetype", "country", "format", "inventory", "hour"])
def test_no_two_names_of_a_field_share_a_bucket(field: str):
    assert len(names_of(field)) == len(set(names_of(field).values()))
    assert names_of("country")[bucket("country", "USA")] == "USA"


def test_prices_count_each_bid_once(bids: pd.DataFrame):
    found = market.prices(bids)
    assert found[["bids", "paid", "to win"]].sum().tolist() == [4, 2, 3]
    assert market.prices(bids.head(0)).empty


def test_the_win_rate_curve_has_the_rate_of_each_bin():
    bids = pd.DataFrame({"price_micros": [500] * 20 + [2_000] * 20, "result": ["lost"] * 15 + ["won"] * 25})
    found = market.win_rate_curve(bids, bins=2)
    assert found["cpm"].tolist() == [0.5, 2.0]
    assert found["rate"].tolist() == [0.25, 1.0]
    assert ((found["low"] <= found["rate"]) & (found["rate"] <= found["high"])).all()
    assert market.win_rate_curve(bids.head(3)).empty


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_an_interval_of_a_rate_holds_it(tries: int, part: float):
    hits = round(part * tries)
    low, high = market.wilson(pd.Series([float(hits)]), pd.Series([float(tries)]))
    assert 0.0 <= low[0] <= hits / tries + 1e-9
    assert hits / tries - 1e-9 <= high[0] <= 1.0


def test_shading_and_what_it_took_to_win(bids: pd.DataFrame):
    shaded = market.shading(bids)
    assert shaded["kind"].tolist() == ["second price", "second price", "first price", "second price"]
    assert shaded["part"].tolist() == pytest.approx([1_000 / 1_500, 1.0, 800 / 1_500, 0.6])
    assert market.to_win(bids)["multiple"].tolist() == pytest.approx([0.6, 0.75, 2.0])


def test_auc_is_the_chance_of_the_right_order():
    def seen(chances: list[float], clicks: list[int]) -> pd.DataFrame:
        return pd.DataFrame({"pctr": chances, "clicks": clicks, "cost_micros": 1})

    assert models.auc(seen([0.1, 0.2, 0.3], [0, 0, 1])) == 1.0
    assert models.auc(seen([0.1, 0.2, 0.3], [1, 0, 0])) == 0.0
    assert models.auc(seen([0.1, 0.1], [1, 0])) == 0.5
    assert math.isnan(models.auc(seen([0.1, 0.2], [0, 0])))
    assert models.calibration_ratio(seen([0.25, 0.25], [1, 0])) == 0.5


def test_calibration_counts_every_impression():
    random = np.random.default_rng(1)
    chance = random.uniform(0.0, 0.1, 4_000)
    clicks = (random.uniform(size=4_000) < chance).astype(int)
    found = models.calibration(pd.DataFrame({"pctr": chance, "clicks": clicks, "cost_micros": 1}))
    assert found["impressions"].sum() == 4_000
    assert ((found["low"] <= found["predicted"]) & (found["predicted"] <= found["high"])).mean() >= 0.75


def test_the_last_comparison_and_the_decisions():
    assert models.compared(RECORD["history"]).iloc[0].tolist() == ["auc", 0.71, 0.7]
    assert models.compared([]).empty
    assert models.decisions(RECORD)["action"].tolist() == ["published", "adopted"]


def test_an_allocation_is_undone_move_by_move():
    found = portfolio.allocation(PORTFOLIO, MOVES, pd.Timestamp("2026-11-26T10:05:00Z"))
    assert found["c1"].tolist() == [4_000_000, 4_400_000, 5_000_000, 5_000_000]
    assert found.sum(axis=1).unique().tolist() == [8_000_000]
    assert found.index.is_monotonic_increasing


def test_an_explanation_is_steps_that_add_up_to_the_price():
    price = explanation()["price"]
    steps = why.steps_told(price)
    assert steps.names == ["worth", "pacing and policy", "shading", "price"]
    assert steps.amounts == pytest.approx([1.25, 0.625, -0.641, 0.0])
    agreed = why.steps_told({**price, "agreed_micros": 2_000, "price_micros": 2_000})
    assert "agreed, rounded" in agreed.names
    assert sum(agreed.amounts) == pytest.approx(2.0)


@given(value=st.integers(1, 10**9), chance=st.floats(0, 1), by_value=st.integers(0, 10**9), off=st.integers(0, 10**9))
def test_whatever_the_price_the_steps_add_up(value: int, chance: float, by_value: int, off: int):
    price = {**explanation()["price"], "value_micros": value, "chance": chance, "by_value_micros": by_value}
    price |= {"shaded_off_micros": min(off, by_value), "price_micros": by_value - min(off, by_value)}
    assert sum(why.steps_told(price).amounts) * 1_000 == pytest.approx(price["price_micros"], abs=0.01 + 1e-9 * value)


def test_parts_of_an_explanation_as_tables():
    told = explanation()
    ladder = why.ladder_of(told["price"]).set_index("step")
    assert ladder.loc["a conversion is worth", "micros"] == 250_000
    assert "P(conversion | click) 0.5" in ladder.loc["predicted", "how"]
    assert ladder.loc["price", "micros"] == 1_234
    with_more = why.ladder_of({**told["price"], "cap_micros": 1_500, "agreed_micros": 1_234})
    assert {"cap of the campaign", "agreed in the deal"} <= set(with_more["step"])
    assert why.candidates_of(told)["ended"].tolist()[0] == "won"
    assert why.dropped_of(told).to_dict() == {"countries": 3, "creative": 1}
    assert why.dropped_of({"dropped": {"by_reason": {}}}).empty
    facts = why.facts_of(told)
    assert {"request", "imp", "made by", "lease"} == set(facts["of"])
    assert "s1, s2" in facts["value"].tolist()


def test_a_price_is_told_step_by_step(bids: pd.DataFrame):
    steps = why.steps_of(bids.iloc[0].to_dict(), 300_000)
    assert steps.amounts == pytest.approx([3.0, -1.5, -0.5, 0.0])
    assert why.steps_of(bids.iloc[0].to_dict(), math.nan).amounts == [1.0]
    told = why.flat({"a": {"b": 1.5}, "c": None})
    assert dict(zip(told["field"], told["value"], strict=True)) == {"a.b": "1.5", "c": "-"}
    assert why.flat([{"id": "x", "why": ["a", "b"]}])["why"].tolist() == ["a, b"]
