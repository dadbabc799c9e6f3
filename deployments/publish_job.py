"""The job that judges a candidate and publishes it: a process of its own, since the gate imports what simulates."""

from __future__ import annotations

import msgspec
import typer

from deployments.publishing import PublishOrder
from pipelines import publish


def main(order: str) -> None:
    """Carry out a `PublishOrder`, given as JSON."""
    wanted = msgspec.json.decode(order, type=PublishOrder)
    publish.main(candidate=wanted.folder, kind=wanted.kind, force=wanted.force)


if __name__ == "__main__":
    typer.run(main)
