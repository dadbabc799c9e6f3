"""Why a bid was what it was: decides it again from what was recorded, and says whether the same price comes out.

How to run, beside a running platform or after it (same RAYBID_VAR_DIR):

    python -m raybid.explain 5d0c1f20ab12cd34-1f           # `id` of a bid, as it was sent
    python -m raybid.explain --sample 200                   # of the last bids, at random
    python -m raybid.explain 5d0c1f20ab12cd34-1f --full     # everything `GET /explain/{bid_id}` says

What to expect: the way to the price on standard error, and as the last line one JSON object: `{"bid_id": ...,
"price_micros": ..., "recomputed_micros": ..., "equal": true}`, of a sample `{"sampled": 200, "equal": 200}`. The exit
status is 0 only where each price came out to the micro-unit.
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
from rtb.explain.recompute import recompute
from rtb.explain.store import DecisionReader, NotKept
from rtb.explain.workshop import RecomputeError, Workshop
from rtb.runtime.plain import plain
from rtb.runtime.settings import Settings

EXPLAIN_ERRORS = (NotKept, RecomputeError, sqlite3.Error, OSError, ValueError)
"""What keeps a bid from being explained; each says why."""

_POOL = 100_000  # bids that a sample is drawn from
_SHOWN = 20  # of a sample, one by one


def main(
    bid_id: Annotated[str, typer.Argument(help="id of the bid, as it was sent")] = "",
    sample: Annotated[int, typer.Option(min=0, help="instead: so many of the last bids, at random")] = 0,
    seed: Annotated[int | None, typer.Option(help="of the sample; default: another one each time")] = None,
    full: Annotated[bool, typer.Option(help="print all that is known of the bid before the last line")] = False,
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
    """Decide some of the last bids again; what came out of each is told on standard error, a line a bid.

    Args:
        settings: whose `var_dir` has them.
        count: of bids, at random.
        seed: of the choice; none: another one each time.

    Returns:
        `sampled`, how many there were, and `equal`, how many of them came out to the micro-unit.

    Raises:
        NotKept: no bid is recorded.
        RecomputeError: one does not come out at all.
        sqlite3.Error: the record cannot be read.
    """
    equal, chosen, console = 0, 0, Console(stderr=True, highlight=False)
    with DecisionReader(settings.decisions_path) as reader:
        workshop = Workshop(reader)
        pool = list(islice(reader.recent(_POOL), _POOL))
        bids = random.Random(seed).sample(pool, min(count, len(pool)))
        for bid_id in track(bids, "deciding again", console=console):
            chosen += 1
            told = verdict(recompute(reader.find(bid_id), workshop))
            equal += told["equal"]
            if chosen <= _SHOWN or not told["equal"]:
                again = f"{bid_id}: {told['recomputed_micros']} micros again"
                console.print(plain(fault(told) or again), soft_wrap=True)
    if not chosen:
        raise NotKept("no bid is recorded: let the platform bid first, with RAYBID_DECISION_HOURS above 0")
    return {"sampled": chosen, "equal": equal}


if __name__ == "__main__":
    typer.run(main)
