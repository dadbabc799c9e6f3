"""A platform at a URL, started where none runs there, and campaigns that bid on it for a while."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
from rich.console import Console

from raybid.local import LaunchError, Platform
from rtb.campaigns.campaign import Campaign
from rtb.runtime import calls
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation.exchange.generous import RATES

_TAKEN_UP_SECONDS = 60.0
_API_SECONDS = 30.0


@contextmanager
def platform_at(url: str, settings: Settings, console: Console, name: str) -> Iterator[Settings]:
    """Provide a platform at the URL while the context lasts; yield the settings that have its keys.

    Args:
        url: base URL.
        settings: settings of the caller's platform.
        console: for what the launcher says.
        name: what it is for, in the name of its temporary folder.

    Raises:
        LaunchError: none answers at a URL that is not of these settings, or it does not start.
    """
    if _is_up(url):
        yield settings
        return
    if url != settings.base_url:
        raise LaunchError(f"no platform answers at {url}")
    folder = Path(tempfile.mkdtemp(prefix=f"raybid-{name}-"))
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
        "rates": str(rates),
    }


@contextmanager
def registered(url: str, settings: Settings, campaigns: Sequence[Campaign], console: Console) -> Iterator[None]:
    """Keep the campaigns bidding while the context lasts; pause them afterwards.

    Raises:
        LaunchError: a campaign is refused, or the Router does not load it.
    """
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
