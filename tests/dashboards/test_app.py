"""The page itself, run by Streamlit's own tester beside a platform that answers as a real one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.console.__main__ import APP
from tests.dashboards.fake_platform import KEY, FakePlatform, serving
from tests.dashboards.made_events import few
from tests.made_explanation import explanation

TABS = {
    "Overview": 2,
    "Performance": 4,  # the fifth, of rates, needs a second look
    "Money": 6,
    "Latency": 3,  # the fourth, percentiles over time, needs answers between two looks
    "Market": 3,  # three auctions that have ended make no win-rate curve
    "Targeting": 6,
    "Models": 5,
    "Portfolio": 3,
    "Auctions": 2,
    "Control": 0,
}


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePlatform]:
    with serving(FakePlatform()) as running:
        monkeypatch.setenv("RAYBID_URL", running.url)
        monkeypatch.setenv("RAYBID_KEY", KEY)
        monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path))
        monkeypatch.delenv("RAYBID_PROMETHEUS_URL", raising=False)
        yield running


@pytest.fixture
def events(tmp_path: Path) -> None:
    few(time.time() - 30).write(tmp_path / "events")


def opened(tab: str, **asked: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in {"tab": tab, **asked}.items():
        app.query_params[name] = value
    return app.run()


def shown(app: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in app.metric}


def charts(app: AppTest) -> list[Any]:
    return list(app.get("plotly_chart"))


@pytest.mark.parametrize(("tab", "count"), TABS.items())
def test_each_tab_is_drawn(platform: FakePlatform, events: None, tab: str, count: int):
    app = opened(tab)
    assert not app.exception, app.exception
    assert not app.error, app.error
    assert len(charts(app)) == count


def test_figures_are_those_of_the_platform(platform: FakePlatform, events: None):
    figures = shown(opened("Overview"))
    assert figures["Requests"] == "500"
    assert (figures["Answered"], figures["Bids"], figures["Win rate"]) == ("80.00%", "400", "25.00%")
    assert (figures["Spend, USD"], figures["ROI"], figures["eCPC, USD"]) == ("2.0000", "20.0%", "0.2500")
    assert (figures["p50"], figures["p99"]) == ("10.0 ms", "100.0 ms")
    money = shown(opened("Money"))
    assert (money["Budget, USD"], money["Budget spent"]) == ("8.0000", "25.000%")


def test_filters_come_from_the_url(platform: FakePlatform, events: None):
    app = opened("Overview", campaigns="c1", window="1 min", refresh="30", sla="50")
    assert shown(app)["Bids"] == "200"
    assert app.multiselect(key="campaigns").value == ["c1"]
    assert (app.slider(key="refresh").value, app.number_input(key="sla").value) == (30, 50)
    assert shown(opened("Latency", sla="10"))["Within 10 ms"] == "50.00%"


def test_without_events_each_part_says_what_to_do(platform: FakePlatform):
    app = opened("Market")
    assert not app.exception
    assert all("RAYBID_VAR_DIR" in one.value for one in app.info)
    assert len(app.info) == 2


def test_a_platform_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAYBID_URL", "http://127.0.0.1:9")
    app = opened("Overview")
    assert not app.exception
    assert "make run" in app.error[0].value


def test_a_part_that_fails_leaves_the_others(platform: FakePlatform, events: None):
    platform.answers["/health"] = (500, {"detail": "this should not have happened"})
    app = opened("Overview")
    assert "500" in app.error[0].value
    assert shown(app)["Requests"] == "500"
    assert len(charts(app)) == 2


def test_what_is_unwell_is_named(platform: FakePlatform, events: None):
    _, told = platform.answers["/health"]
    parts = {**told["parts"], "ledger": {"state": "unavailable"}}
    platform.answers["/health"] = (503, {**told, "status": "degraded", "parts": parts})
    assert "ledger is unavailable" in opened("Overview").warning[0].value


def test_latency_of_bids_is_not_made_up(platform: FakePlatform, events: None):
    platform.answers["/metrics"] = (200, "# nothing of times\n")
    app = opened("Latency")
    assert any("the calls of this console" in one.value for one in app.caption)


def test_pause_names_the_version(platform: FakePlatform):
    app = opened("Control", campaign="c1")
    app.button(key="pause").click().run()
    assert [one[:3] for one in platform.told] == [("POST", "/campaign/c1/pause", '"3"')]
    assert "c1 is paused" in app.success[0].value


def test_a_change_that_comes_too_late_is_told(platform: FakePlatform):
    one = platform.answers["/campaign/c1"][1]
    platform.answers["/campaign/c1"] = (200, {**one, "version": 2})
    app = opened("Control", campaign="c1")
    app.button(key="pause").click().run()
    assert "412" in app.error[0].value
    assert not app.success


def press(app: AppTest, label: str, at: int = 0) -> AppTest:
    return [one for one in app.button if one.label == label][at].click().run()


def test_budgets_are_changed_one_after_the_other(platform: FakePlatform):
    app = opened("Control", campaign="c1")
    app.number_input(key="top-up").set_value(1.5)
    app.number_input(key="day-c1-3").set_value(2.0)
    press(app, "Change budgets")
    assert platform.told[0][1:] == ("/campaign/c1", '"3"', {"budget": {"daily_micros": 2_000_000}})
    assert platform.told[1][1:] == ("/campaign/c1/top-up", '"4"', {"micros": 1_500_000})


def test_a_patch_that_is_no_json_is_not_sent(platform: FakePlatform):
    app = opened("Control", campaign="c1")
    app.text_area(key="patch-c1-3").set_value('{"name": ')
    press(app, "Apply")
    assert platform.told == []
    assert "not JSON" in app.error[0].value
    app.text_area(key="patch-c1-3").set_value('{"name": "new"}')
    press(app, "Apply")
    assert platform.told[0] == ("PATCH", "/campaign/c1", '"3"', {"name": "new"})


def test_campaigns_and_portfolios_are_created(platform: FakePlatform):
    app = opened("Control", campaign="c1")
    app.text_area(key="new").set_value('{"id": "spring"}')
    press(app, "Create")
    press(app, "Create", 1)
    assert [one.path for one in platform.told] == ["/campaign/create", "/portfolio/create"]
    assert platform.told[0].body == {"id": "spring"}


def test_a_portfolio_gets_another_strategy(platform: FakePlatform):
    app = opened("Control", campaign="c1")
    app.selectbox(key="strategy-season-2").set_value("bandit")
    press(app, "Change portfolio")
    told = {"strategy": "bandit", "status": "active"}
    assert platform.told[0] == ("PATCH", "/portfolio/season", '"2"', told)


def test_a_rollback_needs_a_reason(platform: FakePlatform):
    app = opened("Control", campaign="c1")
    press(app, "Roll back")
    assert platform.told == []
    app.text_input(key="why-ctr").set_value("wins too little")
    press(app, "Roll back")
    told = {"to": "a" * 12, "reason": "wins too little"}
    assert platform.told[0] == ("POST", "/models/ctr/rollback", None, told)


def test_a_candidate_is_published_by_a_job(platform: FakePlatform):
    app = opened("Control", campaign="c1")
    app.button(key="publish-now-ctr").click().run()
    assert platform.told == []
    job = {"job": "j1", "state": "failed", "says": "judged\npublish: ctr abc is refused: worse"}
    platform.answers["/models/ctr/publish/j1"] = (200, job)
    platform.changed = job
    app.text_input(key="folder-ctr").set_value("var/models/candidate")
    app.button(key="publish-now-ctr").click().run()
    sent = {"folder": "var/models/candidate", "force": ""}
    assert platform.told[0] == ("POST", "/models/ctr/publish", None, sent)
    assert "is refused: worse" in app.error[0].value
    assert not app.exception


def test_a_bid_is_explained_by_the_platform_where_it_can(platform: FakePlatform, events: None):
    platform.answers["/explain/b1"] = (200, explanation("b1"))
    app = opened("Auctions", bid="b1")
    assert not app.exception
    told = shown(app)
    assert told["Bid, micros"] == told["Recomputed"] == "1,234"
    assert (told["Equal"], told["Sent, CPM"]) == ("yes", "1.234")
    assert "Notices so far: bill settled" in " ".join(one.value for one in app.caption)
    tables = [one.value for one in app.dataframe]
    assert any("how" in table and "sent as 1.234 USD CPM" in table["how"].tolist() for table in tables)
    assert any("not open: [paused]" in table["ended"].tolist() for table in tables if "ended" in table)
    assert any({"bucket", "field"} <= set(table.columns) for table in tables)


def test_a_price_that_does_not_come_out_again_is_seen(platform: FakePlatform, events: None):
    platform.answers["/explain/b1"] = (200, explanation("b1", again=1_235))
    app = opened("Auctions", bid="b1")
    assert shown(app)["Equal"] == "no"


def test_a_bid_without_explanation_is_told_from_its_event(platform: FakePlatform, events: None):
    platform.answers["/explain/b1"] = (404, {"title": "Not Found", "detail": "bid b1 is not recorded: it is too old"})
    app = opened("Auctions", bid="b1")
    said = " ".join(one.value for one in app.caption)
    assert "it is too old" in said
    assert "Bid b1 of c1: won, paid 0.600" in said
    assert not app.exception
