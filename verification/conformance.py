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

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import Progress

from raybid.local import LaunchError, Platform
from raybid.refusing import refuse
from rtb.campaigns.campaign import Campaign
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation.exchange.examination import Findings, examine, read
from simulation.exchange.generous import RATES, campaigns_for, held_by, wishes_of
from simulation.exchange.sources import RequestSourceError, from_files

_CONNECTIONS = 4
_TAKEN_UP_SECONDS = 60.0
_API_SECONDS = 30.0


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
        with (
            _platform(base, settings, console) as found,
            _registered(base, found, campaigns, console),
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


@contextmanager
def _platform(url: str, settings: Settings, console: Console) -> Iterator[Settings]:
    """Provide a platform at the URL while the context lasts; yield the settings that have its keys."""
    if _is_up(url):
        yield settings
        return
    if url != settings.base_url:
        raise LaunchError(f"no platform answers at {url}")
    folder = Path(tempfile.mkdtemp(prefix="raybid-conformance-"))
    own = settings.model_copy(update=_changes(settings, folder))
    with Platform(own, "composed", lambda text: console.print(plain(text, "dim"))):
        yield own
    shutil.rmtree(folder)


def _changes(settings: Settings, folder: Path) -> dict[str, object]:
    """Return a folder of its own, the existing models, and a table of exchange rates."""
    rates = folder / "rates.json"
    rates.write_bytes(msgspec.json.encode({"base": "USD", "rates": {k: v for k, v in RATES.items() if k != "USD"}}))
    return {
        "var_dir": folder / "var",
        "ctr_artefact": str(settings.ctr_dir.resolve()),
        "policy_artefact": str(settings.policy_dir.resolve()),
        "store": "",
        "published": settings.published or str((settings.var_dir / "published").resolve()),
        "rates": rates,
    }


@contextmanager
def _registered(url: str, settings: Settings, campaigns: Sequence[Campaign], console: Console) -> Iterator[None]:
    """Keep the campaigns bidding while the context lasts; pause them afterwards."""
    with calls.client(url, headers=settings.key_headers("admin_key"), timeout=_API_SECONDS) as client:
        before = _campaigns_up(client)
        for campaign in campaigns:
            answer = client.post("/campaign/create", content=msgspec.json.encode(campaign))
            if answer.status_code == 409:  # from an earlier run: the id depends on the contents
                answer = client.post(f"/campaign/{campaign.id}/resume")
            if answer.is_error:
                raise LaunchError(f"campaign {campaign.id} was refused: {answer.status_code} {answer.text[:300]}")
        console.print(f"[dim]{len(campaigns)} campaigns[/dim]")
        deadline = time.monotonic() + _TAKEN_UP_SECONDS
        while _campaigns_up(client) < max(before, len(campaigns)):
            if time.monotonic() > deadline:
                raise LaunchError(f"the Router did not load {len(campaigns)} campaigns")
            time.sleep(0.2)
        time.sleep(2)  # for the first leases
        yield
        for campaign in campaigns:
            client.post(f"/campaign/{campaign.id}/pause").raise_for_status()


def _is_up(url: str) -> bool:
    try:
        return calls.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def _campaigns_up(client: httpx.Client) -> int:
    answer = client.get("/health")
    return int(answer.json().get("campaigns") or 0) if answer.is_success else 0


def _tell(findings: Findings, console: Console) -> None:
    for message in findings.messages:
        console.print(plain(message), style="red", soft_wrap=True)
    for message in findings.silent:
        console.print(plain(f"no bid: {message}"), style="yellow", soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
