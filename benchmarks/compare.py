"""Check whether a change made the platform slower: compare two runs of `make bench`, independent of machine speed.

How to run:

    python -m benchmarks.compare before.json after.json

What to expect: a line per figure, and as the last line one JSON object. Exit code 1 if one fell by more than `--worse`,
or the second run had failures. A figure is a rate relative to that of a bare answer in the same run: such ratios vary
less than the rates between machines, or between busy and idle hours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

_RATIOS = ("ratio_composed", "ratio_colocated")


def main(
    before: Annotated[Path, typer.Argument(help="output of a run, up to its last line")],
    after: Annotated[Path, typer.Argument(help="likewise with the changed code")],
    *,
    worse: Annotated[float, typer.Option(min=0.0, max=1.0, help="share by which a ratio may fall")] = 0.25,
) -> None:
    """Compare two runs of `make bench`."""
    try:
        found = compare(summary(before), summary(after), worse)
    except (OSError, ValueError) as error:
        typer.echo(f"benchmarks.compare: {error}", err=True)
        raise typer.Exit(1) from error
    for name, one in found["ratios"].items():
        typer.echo(f"{name}: {one['before']:.3f} -> {one['after']:.3f} ({one['change']:+.1%})", err=True)
    for name in found["worse"]:
        typer.echo(f"{name} fell by more than {worse:.0%}", err=True)
    if found["failed"]:
        typer.echo(f"{found['failed']} requests failed in {after}", err=True)
    typer.echo(json.dumps(found))
    if found["worse"] or found["failed"]:
        raise typer.Exit(1)


def compare(before: dict[str, Any], after: dict[str, Any], worse: float) -> dict[str, Any]:
    """Return the ratios of both, those that fell by more than a share, and the failures of the second.

    Raises:
        ValueError: one of them lacks the figures, or a rate is zero.
    """
    ratios = {}
    for name in _RATIOS:
        was, now = (_figure(one, name) for one in (before, after))
        ratios[name] = {"before": was, "after": now, "change": now / was - 1.0}
    fell = [name for name, one in ratios.items() if one["change"] < -worse]
    return {"ratios": ratios, "worse": fell, "failed": int(after.get("failed", 0))}


def summary(path: Path) -> dict[str, Any]:
    """Return the last line of a run.

    Raises:
        ValueError: it is not a JSON object.
        OSError: the file cannot be read.
    """
    lines = path.read_text().strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: the last line is not JSON: did the run fail? {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: the last line is not a JSON object: did the run fail?")
    return found


def _figure(found: dict[str, Any], name: str) -> float:
    value = found.get(name)
    if not isinstance(value, int | float) or value <= 0:
        raise ValueError(f"{name} is {value!r}, which cannot be compared: run `make bench QUICK=1` again")
    return float(value)


if __name__ == "__main__":
    typer.run(main)
