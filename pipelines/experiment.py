"""Run a challenger beside the champion, each on its own share of every budget, and test which is better.

How to run, beside a running platform:

    python -m pipelines.experiment start --challenger models/dqn --share 0.2
    python -m pipelines.experiment status
    python -m pipelines.experiment report
    python -m pipelines.experiment stop

What to expect: `start` splits each campaign's money and the traffic within a pacing interval; `stop` gives the money
back; `report` reads the events, prints a table and says whether the difference is significant. It may be run as often
as you like, also during the experiment. The last line is one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import pyarrow as pa
import redis.asyncio as aioredis
import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import track

from pipelines.trial import table
from raybid.refusing import refuse
from rtb.catalog import Catalog, CatalogEntry, CatalogError
from rtb.events.parquet import runs
from rtb.experiment import Experiment, decode, encode
from rtb.experiment.readings import Readings, read
from rtb.experiment.record import Kind
from rtb.experiment.verdict import METRICS, Metric, judge, sentence
from rtb.ledger import Balance, LedgerError, ValkeyLedger
from rtb.models import policy
from rtb.models.artefacts import ArtefactError, pack
from rtb.money.accounts import MOST_EXPERIMENTS
from rtb.pacing.snapshot import EXPERIMENT, SnapshotPublisher, SnapshotSubscriber
from rtb.runtime.settings import Settings
from rtb.store import event_store

app = typer.Typer(add_completion=False, help=__doc__.partition("\n")[0], no_args_is_help=True)

_TIMEOUT_S = 10.0
_UNWRITTEN_S = 10.0
"""Age up to which events may not be in the files yet, seconds."""

_Found = TypeVar("_Found")


class ExperimentRefused(RuntimeError):
    """An error for a refused command that changed nothing; the message says why."""


@app.command()
def start(
    challenger: Annotated[Path, typer.Option(help="challenger's artefact")],
    share: Annotated[float, typer.Option(min=0.01, max=0.9, help="challenger's share of money and traffic")] = 0.2,
    kind: Annotated[Kind, typer.Option(help="kind of model that the challenger replaces")] = "policy",
) -> None:
    """Split every campaign's money and the traffic between champion and challenger."""
    experiment = _told(lambda: _on_server(lambda client: _start(client, kind, challenger, share)))
    _console().print(
        f"experiment {experiment.number}: {experiment.version} bids with {share:.0%} of the money on as much of the "
        "traffic; `report` tells whether it is better"
    )
    typer.echo(json.dumps(_shown(experiment)))


@app.command()
def stop() -> None:
    """Give each campaign its money back; the champion gets all traffic again."""
    experiment, campaigns = _told(lambda: _on_server(_stop))
    _console().print(f"experiment {experiment.number} has ended: {campaigns} campaigns have all their money back")
    typer.echo(json.dumps(_shown(experiment) | {"campaigns": campaigns}))


@app.command()
def status() -> None:
    """Show which experiment runs, and how much money its arms have."""
    experiment, accounts = _told(lambda: _on_server(_status))
    money = {
        arm: {name: sum(getattr(one, name) for one in balances) for name in ("budget", "available", "spent")}
        for arm, balances in accounts.items()
    }
    _console().print(table.of_money(money, title=f"experiment {experiment.number}, micros"))
    typer.echo(json.dumps(_shown(experiment) | {"campaigns": len(accounts["challenger"]), "micros": money}))


@app.command()
def report(
    metric: Annotated[Metric, typer.Option(help="metric to compare")] = "value",
    block_seconds: Annotated[float, typer.Option(min=1, help="block length; keep it throughout an experiment")] = 600.0,
    alpha: Annotated[float, typer.Option(min=0.001, max=0.5, help="false alarm probability")] = 0.05,
) -> None:
    """Show the results of both arms, and whether the difference is significant."""
    experiment, readings = _told(lambda: _read(Settings(), block_seconds))
    verdicts = (
        {one: judge(readings, one, experiment.share, alpha=alpha) for one in METRICS} if len(readings.block) else {}
    )
    says = sentence(verdicts.get(metric))
    console = _console()
    console.print(table.of_arms(readings, title=f"experiment {experiment.number}, {len(readings.block)} readings"))
    console.print(table.of_verdicts(verdicts, alpha))
    console.print(says)
    typer.echo(
        json.dumps(
            _shown(experiment)
            | {"readings": len(readings.block), **table.as_json(readings)}
            | {"verdicts": {one: None if told is None else told._asdict() for one, told in verdicts.items()}}
            | {"metric": metric, "says": says}
        )
    )


async def _start(client: aioredis.Redis, kind: Kind, folder: Path, share: float) -> Experiment:
    challenger = policy.load(folder)
    last = await _last(client)
    if last is not None and last.is_running:
        raise ExperimentRefused(
            f"experiment {last.number} is running: stop it with `python -m pipelines.experiment stop`"
        )
    number = 1 if last is None else last.number + 1
    if number > MOST_EXPERIMENTS:
        raise ExperimentRefused(f"the ledger cannot tell more than {MOST_EXPERIMENTS} experiments apart")
    experiment = Experiment(
        number=number,
        kind=kind,
        version=challenger.version,
        folder=str(folder),
        share=share,
        salt=secrets.token_hex(16),
        started=time.time(),
        artefact=pack(folder),
    )
    await SnapshotPublisher(client).publish(EXPERIMENT, encode(experiment))
    return experiment


async def _stop(client: aioredis.Redis) -> tuple[Experiment, int]:
    """Write the record first, so that nobody splits again what is joined here; the Controller joins later splits."""
    last = await _known(client)
    if not last.is_running:
        raise ExperimentRefused(f"experiment {last.number} has already ended")
    ended = msgspec.structs.replace(last, ended=time.time())
    await SnapshotPublisher(client).publish(EXPERIMENT, encode(ended))
    joined = await ValkeyLedger(client).rejoin([entry.number for entry in _entries(Settings())])
    return ended, sum(joined)


async def _status(client: aioredis.Redis) -> tuple[Experiment, dict[str, list[Balance]]]:
    """Return the last experiment, and the accounts of its campaigns."""
    last = await _known(client)
    ledger = ValkeyLedger(client)
    own = await ledger.balances([entry.number for entry in _entries(Settings())])
    divided = [balance for balance in own if balance.arm]
    return last, {"champion": divided, "challenger": await ledger.balances([balance.arm for balance in divided])}


def _read(settings: Settings, block_seconds: float) -> tuple[Experiment, Readings]:
    experiment = _on_server(_known)
    values = {entry.number: float(entry.campaign.goal.value_micros) for entry in _entries(settings)}
    until = experiment.ended or time.time() - _UNWRITTEN_S

    def events() -> Iterator[pa.Table]:
        found = runs(event_store(settings), f"{int(experiment.started * 1_000)}-0")
        for run in track(found, "reading events", total=None, console=Console(stderr=True)):
            yield run.table

    return experiment, read(events, experiment, values, until, block_seconds)


async def _last(client: aioredis.Redis) -> Experiment | None:
    body = await SnapshotSubscriber(client, EXPERIMENT).pull()
    return None if body is None else decode(body)


async def _known(client: aioredis.Redis) -> Experiment:
    last = await _last(client)
    if last is None:
        raise ExperimentRefused(
            "there has been no experiment yet: start one with `python -m pipelines.experiment start`"
        )
    return last


def _entries(settings: Settings) -> list[CatalogEntry]:
    catalog = Catalog(settings.catalog_url)
    try:
        return catalog.all()
    finally:
        catalog.close()


def _on_server(work: Callable[[aioredis.Redis], Awaitable[_Found]]) -> _Found:
    """Run some work with a client of the ledger's server."""

    async def run() -> _Found:
        async with aioredis.Redis.from_url(Settings().ledger_url, socket_timeout=_TIMEOUT_S) as client:
            return await work(client)

    return asyncio.run(run())


def _told(work: Callable[[], _Found]) -> _Found:
    """Return the result of some work; an error ends the program with one line."""
    try:
        return work()
    except (RedisError, ConnectionError) as error:
        refuse("experiment", f"the ledger's server does not answer, is the platform up? ({error})")
    except (
        ExperimentRefused,
        ArtefactError,
        LedgerError,
        CatalogError,
        msgspec.DecodeError,
        OSError,
        ValueError,
    ) as error:
        refuse("experiment", error)


def _console() -> Console:
    return Console(stderr=True, highlight=False)


def _shown(experiment: Experiment) -> dict[str, Any]:
    told = {name: getattr(experiment, name) for name in ("number", "kind", "share", "started", "ended")}
    return told | {"challenger": experiment.version, "running": experiment.is_running}


if __name__ == "__main__":
    app()
