"""Show what is published, and the history.

How to run:

    python -m pipelines.published
    python -m pipelines.published --kind ctr

What to expect: a table of decisions, oldest first, including refusals; the last line is one JSON object with the
serving version by kind, null if nothing was published.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raybid.refusing import refuse
from rtb.models.registry import KINDS, Kind, PublishDecision, Registry, RegistryError
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain


def main(kind: Annotated[Kind | None, typer.Option(help="kind of model; default: all")] = None) -> None:
    """Show the history of published models."""
    console = Console(stderr=True, highlight=False)
    try:
        settings = Settings()
        records = {one: Registry.of(settings, one).read() for one in ([kind] if kind else KINDS)}
    except (RegistryError, OSError, ValueError) as error:
        refuse("published", error)
    for one, record in records.items():
        console.print(_table(one, record.champion, record.history))
    typer.echo(json.dumps({one: record.champion for one, record in records.items()}))


def _table(kind: Kind, champion: str | None, history: tuple[PublishDecision, ...]) -> Table:
    table = Table("when", "what", "version", "why", title=f"{kind} models")
    for decision in history:
        style = "bold" if decision.version == champion and decision.action != "refused" else None
        # The reasons of a refusal are its figures.
        said = _figures(decision.comparison) if decision.action == "refused" else decision.reason
        cells = map(plain, (decision.at.removesuffix("+00:00"), decision.action, decision.version))
        table.add_row(*cells, Text("\n").join(map(plain, said.split("\n"))), style=style)
    return table


def _figures(comparison: dict[str, Any]) -> str:
    measures = comparison.get("measures", ())
    return "\n".join(f"{one['name']} {one['candidate']:.5g} ({one['champion']:.5g})" for one in measures)


if __name__ == "__main__":
    typer.run(main)
