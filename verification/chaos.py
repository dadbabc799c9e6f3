"""A platform under load whose parts are killed and whose exchange lies; then the books are compared.

How to run:

    make chaos                   # about four minutes: embedded Valkey and SQLite
    make chaos SERVERS=own       # the same with this machine's redis-server and PostgreSQL, by URL
    python -m verification.chaos --calm --duration 60     # without faults: are budgets spent completely?
    python -m verification.chaos --no-portfolio           # no budgets move between campaigns

What to expect: a platform of its own in a temporary folder (ports as in the settings), the live table of a replay with
a line per kill, then a table of the audit. Meanwhile a portfolio moves budgets between the campaigns every two seconds.
The last line is one JSON object. Exit code 1 if money was overspent, lost, counted twice, stuck, or created or lost by
a move, if a forged notice was accepted, or if a part did not come back; its folder is kept then. `recovered_s` is the
longest time from a kill until health was good and bids were answered again.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import httpx
import msgspec
import redis
import typer
import uvloop
from pydantic import ValidationError
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from pipelines.rebuild_ledger import rebuild
from raybid.local import LaunchError, Platform, postgres, preflight
from raybid.local.preparing import faults
from raybid.refusing import refuse
from rtb.campaigns.campaign import Campaign, Targeting
from rtb.catalog import Catalog
from rtb.ledger import Balance, LedgerError, embedded
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation import reference
from simulation.exchange import ReplayFigures, ReplayOptions, Unreachable
from simulation.exchange.screen import display, until_signal
from verification.faults.books import compare, pause_all, read_balances, read_catalog
from verification.faults.notices import Diary, FaultySettler, Shares
from verification.faults.servers import redis_server
from verification.faults.strikes import FaultInjector, InjectedFault

_NOTICE_TTL = 12.0
_LEASE_SECONDS = 3.0
_OVERTIME = 90.0  # maximum extra seconds of traffic, when a slow machine brings parts back late
_QUIET_SECONDS = 5.0  # beyond the longest life of a lease: its slack for clock differences, and a tick or two
_SEED = 1
_REPLICAS = {"Router": 2, "RLBidder": 2}
_PLAN = ((0.10, "RLBidder"), (0.28, "Router"), (0.46, "Controller"), (0.64, "ledger server"))
_PATIENT_RETRIES = 8  # of a notice: up to 25 s, as an exchange queues them
_MOVE_SECONDS = 2.0  # between two decisions of the portfolio
_KEEN = 15  # factor on the usual value of a click: without a trained model bids are low

_MUST_BE_ZERO = (
    "overspend_micros",
    "double_settled",
    "lost_settlements",
    "forged_accepted",
    "late_accepted",
    "stuck_micros_after_ttl",
    "ledger_differs_micros",
    "catalog_differs_micros",
    "moved_differs_micros",
    "portfolio_differs_micros",
    "unbalanced_micros",
    "rebuilt_differs",
    "not_recovered",
)
_NOTICED = ("wins", "bills", "losses", "clicks", "conversions", "unfunded", "unpaid")
_REBUILT = ("budget", "moved", "spent", *_NOTICED, "price_squares")

RestartServer = Callable[[], None]


@processes.ended_by_signals()
def main(
    *,
    duration: Annotated[float, typer.Option(min=10, help="seconds of traffic, or until all kills are done")] = 120.0,
    rate: Annotated[float, typer.Option(min=1, help="requests per second")] = 100.0,
    budget: Annotated[int, typer.Option(min=1, help="budget of each of the 20 campaigns, micros")] = 150_000,
    calm: Annotated[bool, typer.Option("--calm", help="kill nothing, and let the exchange behave")] = False,
    own_servers: Annotated[bool, typer.Option("--own-servers", help="use redis-server and PostgreSQL, by URL")] = False,
    portfolio: Annotated[bool, typer.Option(help="move budgets between the campaigns; not with --calm")] = True,
) -> None:
    """Trade, break things, audit."""
    console = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="raybid-chaos-"))
    try:
        with _settings(folder, own_servers) as (settings, restart_server):
            trial = _Trial(settings, console, _Conditions(duration, rate, budget, calm, portfolio))
            summary = trial.run(restart_server)
    except ValidationError as error:
        refuse("chaos", faults(error))
    except (LaunchError, Unreachable, LedgerError, RedisError, httpx.HTTPError, OSError) as error:
        refuse("chaos", f"{str(error) or type(error).__name__} (logs: {folder})")
    typer.echo(msgspec.json.encode(summary).decode())
    broken = [name for name in _MUST_BE_ZERO if summary[name]]
    if broken:
        refuse("chaos", f"should be zero: {', '.join(broken)} (logs, ledger and events: {folder})")
    shutil.rmtree(folder)


@contextmanager
def _settings(folder: Path, own_servers: bool) -> Iterator[tuple[Settings, RestartServer]]:
    """Yield the settings of the trial's platform, and a function that restarts its ledger's server."""
    given = Settings()
    if given.redis_url or given.database_url:
        raise LaunchError(
            "this kills the ledger's server, so it must start its own: unset RAYBID_REDIS_URL and "
            "RAYBID_DATABASE_URL; --own-servers starts a redis-server and a PostgreSQL for the time of the trial"
        )
    changes: dict[str, object] = {
        "var_dir": folder / "var",
        "ctr_artefact": str(given.ctr_dir.resolve()),
        "policy_artefact": str(given.policy_dir.resolve()),
        "store": "",
        "published": given.published or str((given.var_dir / "published").resolve()),
        "lease_seconds": _LEASE_SECONDS,
        "notice_ttl_seconds": _NOTICE_TTL,
        "notice_ttl_app_seconds": _NOTICE_TTL,
        "notice_ttl_native_seconds": _NOTICE_TTL,
        "notice_ttl_interstitial_seconds": _NOTICE_TTL,
    }
    if not own_servers:
        yield given.model_copy(update=changes), lambda: None  # the Controller restarts the embedded server
        return
    binaries = postgres.binaries()
    if binaries is None:
        raise LaunchError("PostgreSQL's initdb is missing: install it, or omit --own-servers")
    with redis_server(folder / "redis") as server, postgres.running(binaries) as cluster:
        changes |= {"redis_url": server.url, "database_url": cluster.new_database()}
        yield given.model_copy(update=changes), server.restart


class _Conditions(NamedTuple):
    """Seconds of traffic, requests per second, micros per campaign, whether there are no faults, and budget moves."""

    duration: float
    rate: float
    budget: int
    calm: bool
    portfolio: bool = True


class _Trial:
    """One platform from start to audit."""

    def __init__(self, settings: Settings, console: Console, conditions: _Conditions) -> None:
        self._settings = settings
        self._console = console
        self._rate, self._duration = conditions.rate, conditions.duration
        self._shares = Shares(0, 0, 0, 0) if conditions.calm else Shares()
        self._plan = [] if conditions.calm else [(share * conditions.duration, part) for share, part in _PLAN]
        self._moves_budgets = conditions.portfolio and not conditions.calm
        self._diary = Diary()
        self._figures = ReplayFigures()
        self._campaigns = _campaigns(conditions.budget, conditions.duration)
        self._options = ReplayOptions(
            url=settings.base_url,
            key=settings.resolve_secret("exchange_key"),
            rate=conditions.rate,
            duration=conditions.duration + _OVERTIME,
            seed=_SEED,
            retries=_PATIENT_RETRIES,
            drain_seconds=3 * _NOTICE_TTL,
        )

    def run(self, restart_server: RestartServer) -> dict[str, Any]:
        """Trade, break things, audit; return every figure."""
        preflight(self._settings)
        with Platform(self._settings, "composed", self._say, _REPLICAS) as platform:
            platform.register(self._campaigns)
            platform.await_campaigns()
            if self._moves_budgets:
                self._share_budgets()
            injected = uvloop.run(self._trade(platform, restart_server))
            self._quieten()
            balances = read_balances(self._settings)
        audited = self._audit(balances)
        summary = {
            **audited,
            "forged_accepted": self._diary.forged_accepted,
            "late_accepted": self._diary.late_accepted,
            "rebuilt_differs": self._rebuild(balances),
            "recovered_s": max((one.recovered_s or 0.0 for one in injected), default=0.0),
            "recovered_s_by_part": {one.part: one.recovered_s for one in injected},
            "not_recovered": len(self._plan) - sum(one.recovered_s is not None for one in injected),
            "faults": dict(self._diary.did),
            "repeats_by_status": {str(status): count for status, count in self._diary.repeats.items()},
            "rate_asked": self._rate,
            "load_held": round(self._figures.qps / self._rate, 3),
            "replay": self._figures.summary(),
        }
        self._console.print(_table(summary))
        return summary

    async def _trade(self, platform: Platform, restart_server: RestartServer) -> list[InjectedFault]:
        make_settler = partial(
            FaultySettler, diary=self._diary, shares=self._shares, notice_ttl=_NOTICE_TTL, seed=_SEED
        )
        injector = FaultInjector(self._settings, lambda: self._figures, restart_server, self._say)
        with display(self._console) as show:

            def tick(figures: ReplayFigures) -> None:
                platform.check()
                self._figures = figures
                show(figures)

            striking = asyncio.create_task(injector.strike_all(self._plan))
            trading = asyncio.create_task(until_signal(self._options, tick, make_settler))
            ending = asyncio.create_task(self._end(trading, striking))
            try:
                self._figures = await trading
            finally:
                ending.cancel()
                striking.cancel()
                await asyncio.wait([ending, striking])
        if not striking.cancelled():
            striking.result()
        return injector.injected

    async def _end(self, trading: asyncio.Task[ReplayFigures], striking: asyncio.Task[None]) -> None:
        """Let the exchange finish in order once its time is over and everything was killed."""
        await asyncio.sleep(self._duration)
        await asyncio.wait([striking])
        trading.cancel()

    def _share_budgets(self) -> None:
        """Make all campaigns one portfolio."""
        members = [{"campaign": campaign.id} for campaign in self._campaigns]
        body = {"id": "chaos", "strategy": "bandit", "interval_seconds": _MOVE_SECONDS, "members": members}
        with self._client() as client:
            client.post("/portfolio/create", json=body).raise_for_status()

    def _client(self) -> httpx.Client:
        """Return a client with an administrator's key."""
        headers = self._settings.key_headers("admin_key")
        return calls.client(self._settings.base_url, headers=headers, timeout=10)

    def _quieten(self) -> None:
        """Pause every campaign and wait until no lease and no token is left, and all events are in files."""
        with self._client() as client:
            if self._moves_budgets:
                client.patch(
                    "/portfolio/chaos", json={"status": "paused"}, headers={"If-Match": '"1"'}
                ).raise_for_status()
            seconds = _NOTICE_TTL + _LEASE_SECONDS + 2 * _QUIET_SECONDS
            pause_all(client, [campaign.id for campaign in self._campaigns], seconds, self._console)

    def _audit(self, balances: dict[int, Balance]) -> dict[str, Any]:
        told = read_catalog(self._settings)
        catalog = Catalog(self._settings.catalog_url)
        moves = catalog.portfolios.moves("chaos", 1_000_000)
        catalog.close()
        return compare(self._settings, self._diary.owed, balances) | {
            "moves": len(moves),
            "moved_micros": sum(move.micros for move in moves),
            "moved_differs_micros": sum(abs(b.moved - told.moved.get(n, 0)) for n, b in balances.items()),
            "portfolio_differs_micros": abs(sum(b.budget for b in balances.values()) - sum(told.budgets.values())),
        }

    def _rebuild(self, balances: dict[int, Balance]) -> int:
        """Wipe the ledger's server and rebuild it; return in how many figures it differs from before."""
        server = embedded.start_if_needed(self._settings)
        try:
            with redis.Redis.from_url(self._settings.ledger_url) as client:
                client.flushall()
            rebuild(self._settings)
            restored = read_balances(self._settings)
        finally:
            if server is not None:
                server.stop()
        return sum(getattr(restored[n], name) != getattr(b, name) for n, b in balances.items() for name in _REBUILT)

    def _say(self, text: str) -> None:
        self._console.print(plain(text, "dim"))


def _campaigns(budget: int, duration: float) -> list[Campaign]:
    """Return the reference campaigns, for everyone, with high bids and budgets that run out within the run."""
    replace = msgspec.structs.replace
    return [
        replace(
            campaign,
            budget=replace(campaign.budget, total_micros=budget, flight_seconds=duration),
            goal=replace(campaign.goal, value_micros=_KEEN * campaign.goal.value_micros),
            targeting=Targeting(),
        )
        for campaign in reference.campaigns()
    ]


def _table(summary: dict[str, Any]) -> Table:
    table = Table("figure", "value", title="audit")
    for name, value in summary.items():
        if isinstance(value, int | float):
            style = "red" if name in _MUST_BE_ZERO and value else ""
            table.add_row(name, f"{value:,}", style=style)
    return table


if __name__ == "__main__":
    typer.run(main)
