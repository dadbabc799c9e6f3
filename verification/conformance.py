"""Real requests sent to a live platform that has a creative for everything; every answer is judged.

How to run:

    python -m verification.conformance --requests a.jsonl --requests b.jsonl

What to expect: campaigns in every format, size, media type and duration that the files ask for are created over the
API; the requests are sent; the last line is one JSON object. `violations` counts by rule what an exchange would object
to; `bid_rate` is the share of answerable imps that were answered. The others are counted by reason in `impossible`, see
docs/conformance.md. Exit code 1 if anything was violated.

If no platform runs at the URL, one is started for the run in a temporary folder (ports as in the settings). On an
existing platform the campaigns stay, paused; set RAYBID_VAR_DIR or RAYBID_ADMIN_KEY to its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import Progress

from raybid.local import LaunchError
from raybid.refusing import refuse
from rtb.runtime import processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation.exchange.examination import Findings, examine, read
from simulation.exchange.generous import campaigns_for, held_by, wishes_of
from simulation.exchange.sources import RequestSourceError, from_files
from verification.given_platform import bidding, platform_at, with_rates

_CONNECTIONS = 4


@processes.ended_by_signals()
def main(
    requests: Annotated[list[Path], typer.Option(help="File with a JSON request per line, itself or under `request`")],
    url: Annotated[str, typer.Option(help="Base URL of a platform; default: as in the settings")] = "",
    connections: Annotated[int, typer.Option(min=1, max=64, help="Maximum requests in flight")] = _CONNECTIONS,
) -> None:
    """Send, judge, count."""
    console = Console(stderr=True, highlight=False)
    settings = Settings()
    base = url or settings.base_url
    try:
        bodies = _read(requests, console)
        campaigns = campaigns_for(wishes_of(read(body) for body in bodies))
        console.print(f"[dim]{len(campaigns)} campaigns[/dim]")
        with (
            platform_at(base, settings, lambda text: console.print(plain(text, "dim")), with_rates) as found,
            bidding(base, found, campaigns),
            Progress(console=console, transient=True) as progress,
        ):
            task = progress.add_task("requests", total=len(bodies))
            key = found.resolve_secret("exchange_key")
            asking = examine(base, bodies, held_by(campaigns), connections, lambda: progress.advance(task), key=key)
            findings = uvloop.run(asking)
    except (LaunchError, RequestSourceError, httpx.HTTPError, OSError) as error:
        refuse("conformance", error)
    _tell(findings, console)
    typer.echo(msgspec.json.encode(findings.summary()).decode())
    if findings.violations:
        raise typer.Exit(1)


def _read(paths: Sequence[Path], console: Console) -> list[bytes]:
    def complain(reason: str) -> None:
        console.print(plain(reason), style="yellow", soft_wrap=True)

    return [offer.body for offer in from_files(paths, seed=1, endless=False, on_bad_line=complain)]


def _tell(findings: Findings, console: Console) -> None:
    for message in findings.messages:
        console.print(plain(message), style="red", soft_wrap=True)
    for message in findings.silent:
        console.print(plain(f"no bid: {message}"), style="yellow", soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
