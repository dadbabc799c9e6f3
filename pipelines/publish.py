"""Publish a trained model if it is not worse than the champion.

How to run:

    python -m pipelines.publish --kind ctr var/models/candidate
    python -m pipelines.publish --kind policy models/ppo --data ../ipinyou
    python -m pipelines.publish --kind ctr 3f2a9c1b7d04 # trained on any host, where RAYBID_STORE is set
    python -m pipelines.rollback --kind ctr             # go back
    python -m pipelines.published                       # what serves, and the history

What to expect: candidate and champion are judged on the same held-out data; a candidate that is significantly worse, or
that this code cannot serve, is refused with the reason and exit code 1. A running platform loads a published model
within a second, without a restart. The last line is one JSON object.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from pipelines.ctr_training.sources import progress_bars
from pipelines.gate import CTRGate, HeldOut, ModelGate, PolicyGate
from pipelines.gate.comparison import Comparison, GateClosed, NotComparable
from pipelines.served import NothingServed
from raybid.refusing import refuse
from rtb.models.artefacts import ArtefactError, read_meta
from rtb.models.registry import Kind, Registry, RegistryError
from rtb.models.shared import find_trained
from rtb.runtime.settings import Settings
from rtb.store import open_store
from simulation.auction_log import LogError

UNFIT = (GateClosed, ArtefactError, RegistryError, NotComparable, NothingServed, LogError)


def main(
    *,
    candidate: Annotated[
        str, typer.Argument(metavar="FOLDER", help="candidate's folder; with RAYBID_STORE, or its version")
    ],
    kind: Annotated[Kind, typer.Option(help="kind of model")],
    events: Annotated[str | None, typer.Option(help="ctr: judge on the newest of these served events")] = None,
    impressions: Annotated[int, typer.Option(min=1_000, help="ctr: else on this many simulated impressions")] = 100_000,
    data: Annotated[Path | None, typer.Option(help="policy: judge on these logged auctions, as in backtest")] = None,
    force: Annotated[str, typer.Option(help="reason to publish whatever the comparison says")] = "",
) -> None:
    """Compare a model with the champion, and publish it."""
    try:
        settings = Settings()
        held_out = HeldOut(open_store(events) if events else None, 0.0, impressions, data)
        summary = publish(settings, kind, candidate, held_out, force=force, progress=progress_bars())
    except (*UNFIT, OSError, ValueError) as error:
        refuse("publish", error)
    typer.echo(json.dumps(summary))


def publish(
    settings: Settings, kind: Kind, candidate: str, held_out: HeldOut, *, force: str = "", progress: Progress
) -> dict[str, Any]:
    """Judge a candidate and make it the champion; return the decision, for the last line.

    Args:
        settings: settings that locate the champion.
        kind: kind of model.
        candidate: folder of the candidate, or its version in the store.
        held_out: data to judge on.
        force: reason to publish whatever the comparison says; a model that this code cannot serve is still refused.
        progress: progress of the comparison.

    Raises:
        Refused: it is worse than the champion.
        ArtefactError: this code cannot serve it.
        NotComparable: too little data to judge; `NothingServed` and `LogError` likewise for events and logs.
        RegistryError: it already serves, or another process is publishing.
        OSError: a folder cannot be read or written.
    """
    registry, folder = Registry.of(settings, kind), find_trained(settings, candidate, kind)
    gate = CTRGate(held_out) if kind == "ctr" else PolicyGate(held_out)
    with registry.deciding():
        version = gate.read(folder)
        champion = _champion(settings, registry, kind, gate)
        if champion is not None and version == read_meta(champion).version:
            raise RegistryError(f"{kind} {version} already serves")
        comparison = _compared(gate, folder, champion, progress, forced=bool(force))
        objection = comparison.objection if comparison else ""
        figures = comparison.as_json() if comparison else {}
        if objection and not force:
            registry.decide("refused", version, objection, figures)
            raise GateClosed(f"{kind} {version} is refused: {objection}; publish it anyway with --force REASON")
        if champion is not None and registry.read().champion is None:
            registry.decide("adopted", registry.add(champion).version, "served before anything was published")
        if registry.add(folder).version != version:
            raise RegistryError(f"{folder} changed while it was judged: publish it again")
        reason = force or f"not worse than {figures['champion']}"
        decision = registry.decide("forced" if force else "published", version, reason, figures)
    told = {"kind": kind, "version": version, "action": decision.action, "before": decision.before}
    return told | {"reason": reason} | figures


def _champion(settings: Settings, registry: Registry, kind: Kind, gate: ModelGate) -> Path | None:
    """Return the folder of the serving model; `None` if there is none, or this code can no longer serve it."""
    unpublished = settings.ctr_dir if kind == "ctr" else settings.policy_dir
    folder = registry.champion() or unpublished
    try:
        gate.read(folder)
    except ArtefactError:
        return None
    return folder


def _compared(
    gate: ModelGate, folder: Path, champion: Path | None, progress: Progress, *, forced: bool
) -> Comparison | None:
    try:
        with progress:
            return gate.compare(folder, champion, progress)
    except (NotComparable, NothingServed, LogError):
        if forced:
            return None
        raise


if __name__ == "__main__":
    typer.run(main)
