"""The Controller publishes each change of the catalog, and looks at a number where there was none."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deployments.controller import Controller
from deployments.ledger_guard import BEHIND, LedgerGuard
from deployments.wiring import logger as controller_logger
from rtb.catalog import Catalog, CatalogError, Spend
from rtb.experiment import Experiment
from rtb.ledger import Balance, Closing, Grant, LedgerError, MemoryLedger, NoticeOutcome, Terms
from rtb.ledger.vetting import VETTED
from rtb.pacing import snapshot
from rtb.runtime.quarantine import Fault, decode_faults
from rtb.runtime.settings import Settings
from rtb.settlement.notice_tokens import BidRef, Kind
from tests.rtb.builders import make_campaign


class _Publisher:
    """Keeps the names in each catalog published."""

    def __init__(self) -> None:
        self.catalogs: list[list[str]] = []
        self.paced: list[int] = []
        self.open_to: list[int] = []
        self.faults: list[Fault] = []

    def new_version(self) -> str:
        return f"version {len(self.catalogs)}"

    async def publish(self, key: str, body: bytes, version: str = "") -> str:
        if key == snapshot.QUARANTINE:
            self.faults = decode_faults(body)
        if key == snapshot.CATALOG:
            self.catalogs.append([listing.campaign.name for listing in snapshot.decode_catalog(body)])
        if key == snapshot.PACING:
            table = snapshot.decode_pacing(body)
            self.paced, self.open_to = table["number"].tolist(), table["number"][table["open"]].tolist()
        return version


class _Ledger(MemoryLedger):
    away = False

    async def open(self, campaign: int, terms: Terms | int) -> None:
        if self.away:
            raise LedgerError("unavailable")
        await super().open(campaign, terms)


class _Experiments:
    """Tells of an experiment without a server."""

    experiment: Experiment | None = None

    async def pull(self) -> bool:
        return True


class _Controller(Controller):
    def __del__(self) -> None:  # type: ignore[override]
        """Nothing to stop, and nobody to await it: Serve does."""


@pytest.fixture
def ledger() -> _Ledger:
    return _Ledger()


@pytest.fixture
def publisher() -> _Publisher:
    return _Publisher()


@pytest.fixture
def experiments() -> _Experiments:
    return _Experiments()


class _Server:
    """Of the ledger: what the guard asks of one that is started again under a new run id."""

    def __init__(self) -> None:
        self.run = "first"
        self.kept: dict[str, bytes] = {}

    async def info(self, section: str) -> dict[str, str]:
        return {"run_id": self.run}

    async def get(self, key: str) -> bytes | None:
        return self.kept.get(key)

    async def set(self, key: str, value: bytes) -> None:
        self.kept[key] = value


@pytest.fixture
def server() -> _Server:
    return _Server()


@pytest.fixture
def controller(
    tmp_path: Path,
    ledger: _Ledger,
    publisher: _Publisher,
    experiments: _Experiments,
    *,
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Controller:
    """One that starts no server."""
    monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path))
    made_in = "deployments.bootstrap.controller"
    monkeypatch.setattr(f"{made_in}.ValkeyLedger", lambda _: ledger)
    monkeypatch.setattr(f"{made_in}.snapshot.SnapshotPublisher", lambda _: publisher)
    monkeypatch.setattr(f"{made_in}.ExperimentFeed", lambda _: experiments)
    monkeypatch.setattr(f"{made_in}.LedgerGuard", lambda _, *rest: LedgerGuard(server, *rest))
    monkeypatch.setattr("deployments.ledger_server.embedded.start_if_needed", lambda _, **options: None)
    return _Controller()


@pytest.fixture
def catalog(controller: Controller, tmp_path: Path) -> Iterator[Catalog]:
    """Open the same catalog as another process does."""
    catalog = Catalog(Settings(var_dir=tmp_path).catalog_url)
    yield catalog
    catalog.close()


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Return what was logged as an error."""
    handler = _Lines([])
    controller_logger.addHandler(handler)
    yield handler.lines
    controller_logger.removeHandler(handler)


def _tick(controller: Controller) -> None:
    asyncio.run(controller.parts.pacing.tick())


def test_each_kind_of_change_is_published_and_opened(
    controller: Controller, catalog: Catalog, ledger: _Ledger, publisher: _Publisher
):
    _tick(controller)
    assert publisher.catalogs == [[]]
    entry = catalog.add(make_campaign("spring", budget=1_000))
    _tick(controller)
    catalog.change("spring", 1, {"name": "Spring sale"}, "anna")
    _tick(controller)
    catalog.pause("spring", "anna")
    _tick(controller)
    catalog.resume("spring", "anna")
    catalog.top_up("spring", 500, "anna")
    _tick(controller)
    assert publisher.catalogs == [[], ["spring"], ["Spring sale"], [], ["Spring sale"]]
    assert asyncio.run(ledger.balances([entry.number]))[0].budget == 1_500


def test_no_change_publishes_nothing(controller: Controller, catalog: Catalog, publisher: _Publisher):
    catalog.add(make_campaign("spring"))
    for _ in range(3):
        _tick(controller)
        catalog.change("spring", 1, {}, "anna")
    assert len(publisher.catalogs) == 1


def test_a_change_met_by_an_outage_is_taken_up_afterwards(
    controller: Controller, catalog: Catalog, ledger: _Ledger, publisher: _Publisher
):
    catalog.add(make_campaign("spring"))
    ledger.away = True
    with pytest.raises(LedgerError):
        _tick(controller)
    assert publisher.catalogs == []
    ledger.away = False
    _tick(controller)
    assert publisher.catalogs == [["spring"]]


def test_a_lowered_budget_keeps_falling_while_what_was_held_comes_back(
    controller: Controller, catalog: Catalog, ledger: _Ledger
):
    number = catalog.add(make_campaign("spring", budget=1_000)).number
    _tick(controller)
    asyncio.run(ledger.lease([Grant(7, number, 800, 0.0, time.time() + 1_000)]))
    catalog.change("spring", 1, {"budget": {"total_micros": 100}}, "anna")
    _tick(controller)
    assert asyncio.run(ledger.balances([number]))[0].budget == 800
    asyncio.run(ledger.close([Closing(7, 150)]))
    _tick(controller)
    balance = asyncio.run(ledger.balances([number]))[0]
    assert (balance.budget, balance.available, balance.reserved) == (150, 0, 150)


def test_a_campaign_whose_spend_the_ledger_lost_is_not_opened_and_the_others_are(
    controller: Controller, catalog: Catalog, ledger: _Ledger, log: list[str]
):
    numbers = [catalog.add(make_campaign(name, budget=1_000)).number for name in ("spring", "summer")]
    catalog.record_spend([Spend(numbers[0], 3_600, 1, 700, 0, 0, 0)], "1-1")
    for _ in range(3):
        _tick(controller)
    assert [balance.budget for balance in asyncio.run(ledger.balances(numbers))] == [0, 1_000]
    (said,) = log
    assert "python -m pipelines.rebuild_ledger" in said
    assert "(spring)" in said


def test_a_campaign_is_known_to_be_open_before_it_is_published(
    controller: Controller, catalog: Catalog, publisher: _Publisher, monkeypatch: pytest.MonkeyPatch
):
    """Else it could spend, and be taken for one that never could."""
    catalog.add(make_campaign("spring"))

    def away(_: object) -> None:
        raise CatalogError("unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(controller.parts.catalog, "mark_opened", away)
        with pytest.raises(CatalogError):
            _tick(controller)
    assert publisher.catalogs == []
    _tick(controller)
    assert publisher.catalogs == [["spring"]]
    assert [entry.opened for entry in catalog.all()] == [True]


def test_a_campaign_that_was_open_is_not_opened_in_an_empty_ledger_though_no_spend_is_known(
    controller: Controller, catalog: Catalog, ledger: _Ledger, log: list[str]
):
    number = catalog.add(make_campaign("spring", budget=1_000)).number
    _tick(controller)
    ledger._campaigns.clear()
    for _ in range(3):
        _tick(controller)  # while it runs
    assert len(log) == 1
    again = _Controller()
    other = catalog.add(make_campaign("summer", budget=500)).number
    for _ in range(3):
        _tick(again)
    assert [balance.budget for balance in asyncio.run(ledger.balances([number, other]))] == [0, 500]
    assert len(log) == 2
    for said in log:
        assert "it is another server" in said
        assert "python -m pipelines.rebuild_ledger" in said
        assert "(spring)" in said


def test_a_campaign_that_the_ledger_has_but_nobody_marked_is_marked(
    controller: Controller, catalog: Catalog, ledger: _Ledger
):
    """As after an upgrade, or a crash between the two."""
    number = catalog.add(make_campaign("spring", budget=1_000)).number
    asyncio.run(ledger.open(number, 1_000))
    _tick(controller)
    assert catalog.all()[0].opened


def test_a_campaign_whose_figures_were_restored_is_opened(controller: Controller, catalog: Catalog, ledger: _Ledger):
    number = catalog.add(make_campaign("spring", budget=1_000)).number
    catalog.record_spend([Spend(number, 3_600, 1, 700, 0, 0, 0)], "1-1")
    asyncio.run(ledger.restore(number, Balance(budget=900, available=200, spent=700)))
    _tick(controller)
    balance = asyncio.run(ledger.balances([number]))[0]
    assert (balance.budget, balance.available, balance.spent) == (1_000, 300, 700)


def test_pause_flight_and_daily_budget_reach_the_ledger(controller: Controller, catalog: Catalog, ledger: _Ledger):
    number = catalog.add(make_campaign("spring", budget=1_000)).number
    leases = iter(range(1, 100))

    def granted() -> int:
        _tick(controller)
        return asyncio.run(ledger.lease([Grant(next(leases), number, 10, 0.0, 9e9, at=time.time())]))[0]

    assert granted() == 10
    catalog.pause("spring", "anna")
    assert granted() == 0
    catalog.resume("spring", "anna")
    assert granted() == 10
    catalog.change("spring", 3, {"flight": {"starts_at": "2999-01-01T00:00:00Z"}}, "anna")
    assert granted() == 0
    catalog.change("spring", 4, {"flight": None, "budget": {"daily_micros": 25}}, "anna")
    assert granted() == 5  # 20 are leased


def test_a_budget_that_a_ledger_lost_is_not_given_again(controller: Controller, catalog: Catalog, ledger: _Ledger):
    number = catalog.add(make_campaign("spring", budget=1_000)).number
    _tick(controller)
    ledger._campaigns.clear()
    _tick(controller)
    assert asyncio.run(ledger.balances([number]))[0].budget == 0


def test_money_is_divided_while_an_experiment_runs_and_follows_the_budget(
    controller: Controller, catalog: Catalog, ledger: _Ledger, publisher: _Publisher, experiments: _Experiments
):
    number = catalog.add(make_campaign("spring", budget=1_000)).number
    paused = catalog.add(make_campaign("autumn", budget=1_000)).number
    catalog.pause("autumn", "anna")
    fields = {"number": 1, "kind": "policy", "version": "v", "folder": "f", "share": 0.2, "salt": "s", "started": 0.0}
    experiments.experiment = running = msgspec.convert(fields, Experiment)
    _tick(controller)

    def budgets() -> list[int]:
        return [balance.budget for balance in asyncio.run(ledger.balances([number, running.arm(number)]))]

    assert budgets() == [800, 200]
    assert publisher.paced == [number, paused, running.arm(number)]
    catalog.top_up("spring", 500, "anna")
    _tick(controller)
    assert budgets() == [1_200, 300]
    catalog.change("spring", 2, {"budget": {"total_micros": 100}}, "anna")
    for _ in range(10):
        _tick(controller)
    assert sum(budgets()) == 100
    assert budgets() == [80, 20]
    experiments.experiment = msgspec.structs.replace(running, ended=1.0)
    _tick(controller)
    assert budgets() == [100, 0]
    assert publisher.paced == [number, paused]


def _spend(ledger: _Ledger, number: int, micros: int) -> None:
    async def settle() -> None:
        await ledger.lease([Grant(micros, number, micros, 0.0, time.time() + 1_000)])
        ref = BidRef(micros, 1, number, 0, micros, int(time.time()) + 60)
        assert await ledger.settle(ref, Kind.BILL, micros, time.time()) is NoticeOutcome.SETTLED

    asyncio.run(settle())


def test_a_ledger_that_was_rolled_back_lets_none_bid_that_spent_more(
    controller: Controller,
    catalog: Catalog,
    ledger: _Ledger,
    publisher: _Publisher,
    *,
    server: _Server,
    log: list[str],
):
    spring, summer = (catalog.add(make_campaign(name, budget=1_000)).number for name in ("spring", "summer"))
    _tick(controller)
    older = copy.deepcopy(ledger._campaigns)
    _spend(ledger, spring, 700)
    catalog.record_spend([Spend(spring, 3_600, 1, 700, 0, 0, 0)], "1-1")
    catalog.pause("summer", "anna")
    _tick(controller)
    assert (log, publisher.open_to) == ([], [spring])
    ledger._campaigns, server.run = older, "second"
    catalogs = len(publisher.catalogs)
    _tick(controller)
    assert publisher.open_to == []
    (said,) = log
    assert "less than was spent" in said and "(spring)" in said
    assert json.loads(server.kept[BEHIND]) == {"count": 1, "campaigns": ["spring"]}
    # What was published and told before may be older as well.
    assert len(publisher.catalogs) == catalogs + 1
    assert ledger._terms[summer].paused
    asyncio.run(ledger.restore(spring, Balance(budget=1_000, available=300, spent=700), overwrite=True))
    _tick(controller)
    assert publisher.open_to == [spring]
    assert json.loads(server.kept[BEHIND]) == {"count": 0, "campaigns": []}


def test_replicas_may_use_a_server_once_its_figures_are_verified(
    controller: Controller, catalog: Catalog, ledger: _Ledger, server: _Server, monkeypatch: pytest.MonkeyPatch
):
    catalog.add(make_campaign("spring"))
    for run in ("first", "second"):
        server.run = run
        with monkeypatch.context() as patch:
            patch.setattr(controller.parts.catalog, "spent", lambda: (_ for _ in ()).throw(CatalogError("unavailable")))
            with pytest.raises(CatalogError):
                _tick(controller)
        assert server.kept.get(VETTED) != run.encode()
        _tick(controller)
        assert server.kept[VETTED] == run.encode()


def test_a_running_controller_looks_again_and_again(
    controller: Controller, catalog: Catalog, ledger: _Ledger, publisher: _Publisher, monkeypatch: pytest.MonkeyPatch
):
    """A server whose data was replaced under it has the same run id."""
    monkeypatch.setattr("deployments.ledger_guard._LOOK_SECONDS", 0.0)
    monkeypatch.setattr("deployments.ledger_guard._REST", 0.0)
    number = catalog.add(make_campaign("spring", budget=1_000)).number
    _tick(controller)
    catalog.record_spend([Spend(number, 3_600, 1, 700, 0, 0, 0)], "1-1")
    _tick(controller)
    assert publisher.open_to == []


_DAMAGE: dict[str, dict[str, Any]] = {
    "a date that has no UTC": {"flight": {"ends_at": "9999-12-31T23:59:59-05:00"}},
    "a time zone nobody knows": {"budget": {"total_micros": 1_000, "timezone": "Mars/Olympus"}},
    "a field of another version": {"mood": "good"},
    "a number that no snapshot holds": {"cattax": 2**70},
    "no creative": {"creatives": []},
}


@pytest.mark.parametrize("damage", _DAMAGE.values(), ids=_DAMAGE)
def test_a_campaign_written_past_the_api_is_left_out_and_the_others_go_on(
    controller: Controller, catalog: Catalog, publisher: _Publisher, damage: dict[str, Any], tmp_path: Path
):
    numbers = [catalog.add(make_campaign(name)).number for name in ("spring", "bad", "autumn")]
    _write_past_the_api(tmp_path, "bad", damage)
    _tick(controller)
    assert publisher.catalogs == [["spring", "autumn"]]
    assert publisher.paced == [numbers[0], numbers[2]]
    assert [(fault.kind, fault.name) for fault in publisher.faults] == [("campaign", "bad")]
    catalog.pause("spring", "anna")
    _tick(controller)
    assert publisher.catalogs[-1] == ["autumn"]
    _write_past_the_api(tmp_path, "bad", {})
    catalog.resume("spring", "anna")
    _tick(controller)
    assert publisher.catalogs[-1] == ["spring", "bad", "autumn"]
    assert publisher.faults == []


def _write_past_the_api(folder: Path, campaign: str, damage: dict[str, Any]) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(make_campaign(campaign)) | damage).decode()
    with sqlite3.connect(folder / "catalog.sqlite") as connection:
        connection.execute("update campaigns set body = ?, version = version + 1 where id = ?", (body, campaign))
        connection.execute("update revision set value = value + 1")


def test_a_portfolio_written_past_the_api_is_left_out(
    controller: Controller, catalog: Catalog, publisher: _Publisher, tmp_path: Path
):
    catalog.add(make_campaign("spring"))
    catalog.portfolios.create("bad", '{"strategy": "astrology"}', lambda _: None)
    _tick(controller)
    assert [(fault.kind, fault.name) for fault in publisher.faults] == [("portfolio", "bad")]
    assert len(publisher.paced) == 1
    catalog.portfolios.delete("bad", 1)
    _tick(controller)
    assert publisher.faults == []
