"""Explain a bid: decide it again from the record, and check that the same price comes out.

How to run, beside a running platform or after it (same RAYBID_VAR_DIR):

    python -m raybid.explain 5d0c1f20ab12cd34-1f           # `bid.id` as it was sent
    python -m raybid.explain --sample 200                   # a random sample of the latest bids
    python -m raybid.explain 5d0c1f20ab12cd34-1f --full     # everything `GET /explain/{bid_id}` says

What to expect: the steps to the price on standard error, and one JSON object as the last line: `{"bid_id": ...,
"price_micros": ..., "recomputed_micros": ..., "equal": true}`, or `{"sampled": 200, "equal": 200}` for a sample. The
exit code is 0 only when every price matches to the micro-unit.
"""

from __future__ import annotations

import json
import random
import sqlite3
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from raybid.explained import fault, show
from raybid.refusing import refuse
from rtb.explain.explain import explain, verdict
from rtb.explain.reader import DecisionReader, NotKept
from rtb.explain.recompute import recompute
from rtb.explain.snapshot_loader import RecomputeError, SnapshotLoader
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain

EXPLAIN_ERRORS = (NotKept, RecomputeError, sqlite3.Error, OSError, ValueError)
"""Errors that keep a bid from being explained; their messages say why."""

_POOL = 100_000  # latest bids that a sample is drawn from
_SHOWN = 20  # bids of a sample that are shown one by one


def main(
    bid_id: Annotated[str, typer.Argument(help="bid id, as it was sent")] = "",
    sample: Annotated[int, typer.Option(min=0, help="explain this many of the latest bids instead, at random")] = 0,
    seed: Annotated[int | None, typer.Option(help="seed of the sample; default: random")] = None,
    full: Annotated[bool, typer.Option(help="print the whole explanation as JSON before the last line")] = False,
) -> None:
    """Explain a bid."""
    if bool(bid_id) == bool(sample):
        refuse("explain", "give the id of a bid, or --sample COUNT", 2)
    try:
        settings = Settings()
        told = sampled(settings, sample, seed) if sample else _one(settings, bid_id, full=full)
    except EXPLAIN_ERRORS as error:
        refuse("explain", error)
    typer.echo(json.dumps(told))
    if told["equal"] is not True and told["equal"] != told.get("sampled"):
        raise typer.Exit(1)


def _one(settings: Settings, bid_id: str, *, full: bool) -> dict[str, Any]:
    told = explain(settings, bid_id)
    show(told, Console(stderr=True, highlight=False))
    if full:
        typer.echo(json.dumps(told, indent=2, default=str))
    return {name: told[name] for name in ("bid_id", "price_micros", "recomputed_micros", "equal")}


def sampled(settings: Settings, count: int, seed: int | None = None) -> dict[str, Any]:
    """Recompute a random sample of the latest bids; the results go to standard error, a line per bid.

    Args:
        settings: settings whose `var_dir` holds the record.
        count: number of bids.
        seed: seed of the sample; none: random.

    Returns:
        `sampled`, the number of bids recomputed, and `equal`, the number whose price matched to the micro-unit.

    Raises:
        NotKept: no bid is recorded.
        RecomputeError: a bid cannot be recomputed.
        sqlite3.Error: the record cannot be read.
    """
    equal, chosen, console = 0, 0, Console(stderr=True, highlight=False)
    with DecisionReader(settings.decisions_path) as reader:
        loader = SnapshotLoader(reader)
        pool = list(islice(reader.recent(_POOL), _POOL))
        bids = random.Random(seed).sample(pool, min(count, len(pool)))
        for bid_id in track(bids, "recomputing", console=console):
            chosen += 1
            told = verdict(recompute(reader.find(bid_id), loader))
            equal += told["equal"]
            if chosen <= _SHOWN or not told["equal"]:
                again = f"{bid_id}: {told['recomputed_micros']} micros, matches"
                console.print(plain(fault(told) or again), soft_wrap=True)
    if not chosen:
        raise NotKept("no bid is recorded: make the platform bid first, with RAYBID_DECISION_HOURS above 0")
    return {"sampled": chosen, "equal": equal}


if __name__ == "__main__":
    typer.run(main)
