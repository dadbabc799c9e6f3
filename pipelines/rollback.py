"""Roll back to the model that served before.

How to run:

    python -m pipelines.rollback --kind ctr
    python -m pipelines.rollback --kind policy --to 3f2a9c1b7d04 --reason "wins too little"

What to expect: a running platform loads it within a second, without a restart. A second call goes one version further
back; `python -m pipelines.published` shows the versions. The last line is one JSON object.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from raybid.refusing import refuse
from rtb.models.registry import Kind, Registry, RegistryError
from rtb.runtime.settings import Settings


def main(
    kind: Annotated[Kind, typer.Option(help="kind of model")],
    to: Annotated[str | None, typer.Option(help="version; default: the previous one")] = None,
    reason: Annotated[str, typer.Option(help="reason, for the history")] = "by hand",
) -> None:
    """Roll back to an earlier model."""
    try:
        registry = Registry.of(Settings(), kind)
        with registry.deciding():
            decision = registry.roll_back(to, reason)
    except (RegistryError, OSError, ValueError) as error:
        refuse("rollback", error)
    typer.echo(json.dumps({"kind": kind, "version": decision.version, "before": decision.before}))


if __name__ == "__main__":
    typer.run(main)
