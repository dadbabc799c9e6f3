"""Three campaigns share their budgets on a real platform: when nobody sells to one any more, the others get its money.

Each has a deal of its own, so what it is offered, and whether it is offered anything, is up to this test.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import typer
from typer.testing import CliRunner

from pipelines import portfolio_report
from raybid.local import Platform
from rtb.campaigns.campaign import Budget, HeldDeal
from rtb.events.parquet import read_events
from rtb.runtime.settings import Settings
from tests.rtb.builders import make_campaign
from tests.support import until

pytestmark = pytest.mark.cluster

NAMES = ("north", "south", "west")
TOTAL = 600_000
CLICK_EVERY = 12


def campaign(name: str) -> bytes:
    made = make_campaign(name, value=400_000)
    budget = Budget(total_micros=TOTAL, flight_seconds=240.0)
    return msgspec.json.encode(msgspec.structs.replace(made, budget=budget, deals=(HeldDeal(id=f"deal-{name}"),)))


class Exchange:
    """Offers each campaign slots under its deal, bills what it bids, and now and then clicks."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.open = set(NAMES)
        self.bills = dict.fromkeys(NAMES, 0)
        self.ends = threading.Event()

    def offer(self, client: httpx.Client, name: str) -> None:
        deal = {"private_auction": 1, "deals": [{"id": f"deal-{name}"}]}
        imp = {"id": "1", "banner": {"w": 300, "h": 250}, "pmp": deal}
        answer = client.post("/openrtb2/bid", json={"id": "r", "at": 2, "imp": [imp], "site": {"domain": "n.example"}})
        if answer.status_code != 200:
            return
        bid = answer.json()["seatbid"][0]["bid"][0]
        client.get(bid["burl"].replace("${AUCTION_PRICE}", str(bid["price"])))
        self.bills[name] += 1
        if self.bills[name] % CLICK_EVERY == 0:
            click = bid["adm"].partition("/notice/click/")[2].split('"')[0]
            assert client.get(f"/notice/click/{click}").status_code == 302

    def trade(self) -> None:
        headers = self.settings.key_headers()
        with httpx.Client(base_url=self.settings.base_url, headers=headers, timeout=10) as client:
            while not self.ends.is_set():
                for name in sorted(self.open):
                    self.offer(client, name)
                time.sleep(0.01)


@contextmanager
def trading(settings: Settings) -> Iterator[Exchange]:
    exchange = Exchange(settings)
    thread = threading.Thread(target=exchange.trade)
    thread.start()
    try:
        yield exchange
    finally:
        exchange.ends.set()
        thread.join(20)


def money(api: httpx.Client, admin: dict[str, str]) -> dict[str, dict[str, int]]:
    return {name: api.get(f"/campaign/{name}", headers=admin).json()["figures"] for name in NAMES}


def moves(api: httpx.Client, admin: dict[str, str]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = api.get("/portfolio/season/history?limit=1000", headers=admin).json()
    return told


def test_money_leaves_a_market_that_collapses(
    platform: Platform, settings: Settings, api: httpx.Client, admin: dict[str, str], tmp_path: Path
) -> None:
    for name in NAMES:
        assert api.post("/campaign/create", content=campaign(name), headers=admin).status_code == 201
    members = [{"campaign": name} for name in NAMES]
    season = {"id": "season", "interval_seconds": 2, "most_move": 0.3, "least_move": 0.01, "members": members}
    with trading(settings) as exchange:
        until(lambda: min(exchange.bills.values()) > 20, 30, "they do not all bid")
        made = api.post("/portfolio/create", json=season, headers=admin)
        assert made.status_code == 201, made.text
        assert made.json()["total_micros"] == 3 * TOTAL

        def decisions() -> int:
            return int(api.get("/portfolio/season", headers=admin).json()["decisions"])

        until(lambda: decisions() >= 3, 30, "it does not decide")
        for strategy in ("proportional", "bandit"):
            told = api.get(f"/portfolio/season/what-if?strategy={strategy}", headers=admin).json()
            parts = [one["would_have_micros"] for one in told["campaigns"].values()]
            assert sum(parts) + told["unallocated_micros"] == 3 * TOTAL
        before, at = money(api, admin), decisions()
        exchange.open.discard("north")  # nobody sells to it any more
        until(lambda: money(api, admin)["north"]["available_micros"] < 0.25 * TOTAL, 40, "the money does not leave")
        assert decisions() - at <= 12
    after = money(api, admin)
    assert sum(one["budget_micros"] for one in after.values()) == 3 * TOTAL
    assert before["north"]["spent_micros"] <= after["north"]["spent_micros"] < after["north"]["budget_micros"] + 1
    assert after["south"]["budget_micros"] + after["west"]["budget_micros"] > 2 * TOTAL
    for one in after.values():
        pots = [one[f"{name}_micros"] for name in ("available", "leased", "reserved", "spent")]
        assert sum(pots) == one["budget_micros"]
    until(lambda: any(move["source"] == "north" for move in moves(api, admin)), 30, "no move is of record", every=0.5)
    history = moves(api, admin)
    assert any(move["source"] == "north" and "a micro there brings in" in move["because"] for move in history)
    events = moves_in(read_events(settings.events_dir, 0, time.time()))
    assert sum(event["price_micros"] for event in events) >= sum(move["micros"] for move in history) > 0
    reported(settings, tmp_path)
    version = api.get("/portfolio/season", headers=admin).headers["etag"]
    assert api.delete("/portfolio/season", headers=admin | {"If-Match": version}).status_code == 204
    for name in NAMES:  # nothing of this in the tests that follow
        assert api.post(f"/campaign/{name}/pause", headers=admin).status_code == 200


def moves_in(table: Any) -> list[dict[str, Any]]:
    """Return the moves among events."""
    return [row for row in table.to_pylist() if row["kind"] == "move" and row["portfolio"] == "season"]


def reported(settings: Settings, folder: Path) -> None:
    """Check that the verb reports the same."""
    where = {
        "RAYBID_VAR_DIR": str(settings.var_dir),
        "RAYBID_HTTP_PORT": str(settings.http_port),
        "COLUMNS": "200",
    }
    app = typer.Typer()
    app.command()(portfolio_report.main)
    done = CliRunner().invoke(app, ["--out", str(folder)], env=where)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])["season"]
    assert told["total_micros"] == 3 * TOTAL
    assert told["moves"] > 0
    names = ("season.csv", "season.parquet", "season-moves.csv", "season.html")
    assert all((folder / name).stat().st_size > 100 for name in names)
