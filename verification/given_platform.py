"""A platform for a check: the one that answers at a URL or one started for it, and campaigns that bid meanwhile."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from raybid.local import LaunchError, Platform
from rtb.campaigns.campaign import Campaign
from rtb.runtime import calls
from rtb.runtime.settings import Settings
from simulation.exchange.generous import RATES

Say = Callable[[str], None]

_TAKEN_UP_SECONDS = 60.0
_LEASED_SECONDS = 2.0
_API_SECONDS = 30.0


@contextmanager
def platform_at(
    url: str, settings: Settings, say: Say, changes: Callable[[Path], Mapping[str, object]] = lambda _: {}
) -> Iterator[Settings]:
    """Provide a platform at the URL while the context lasts; yield the settings that have its keys.

    Args:
        url: its base URL.
        settings: settings of one that runs, and ports of one that is started.
        say: called with progress, a line at a time.
        changes: settings of one that is started, by its folder.

    Raises:
        LaunchError: none answers, and none can be started there.
    """
    if _is_up(url):
        yield settings
        return
    if url != settings.base_url:
        raise LaunchError(f"no platform answers at {url}")
    folder = Path(tempfile.mkdtemp(prefix="raybid-check-"))
    own = settings.model_copy(update={**_models(settings), "var_dir": folder / "var", "store": "", **changes(folder)})
    with Platform(own, "composed", say):
        yield own
    shutil.rmtree(folder)


@contextmanager
def bidding(url: str, settings: Settings, campaigns: Sequence[Campaign]) -> Iterator[None]:
    """Keep these campaigns bidding while the context lasts; pause them afterwards.

    Raises:
        LaunchError: one is refused, or they are not loaded in time.
    """
    with calls.client(url, headers=settings.key_headers("admin_key"), timeout=_API_SECONDS) as client:
        for campaign in campaigns:
            answer = client.post("/campaign/create", content=msgspec.json.encode(campaign))
            if answer.status_code == 409:  # from an earlier run: the id depends on the contents
                answer = client.post(f"/campaign/{campaign.id}/resume")
            if answer.is_error:
                raise LaunchError(f"campaign {campaign.id} was refused: {answer.status_code} {answer.text[:300]}")
        deadline = time.monotonic() + _TAKEN_UP_SECONDS
        while _campaigns_up(client) < _active(client):
            if time.monotonic() > deadline:
                raise LaunchError(f"the Router did not load {len(campaigns)} campaigns")
            time.sleep(0.2)
        time.sleep(_LEASED_SECONDS)
        yield
        for campaign in campaigns:
            client.post(f"/campaign/{campaign.id}/pause").raise_for_status()


def with_rates(folder: Path) -> dict[str, object]:
    """Return the setting of a table of exchange rates, which is written into this folder."""
    rates = folder / "rates.json"
    rates.write_bytes(msgspec.json.encode({"base": "USD", "rates": {k: v for k, v in RATES.items() if k != "USD"}}))
    return {"rates": str(rates)}


def _models(settings: Settings) -> dict[str, object]:
    """Return the settings of a platform with a folder of its own and the existing models."""
    return {
        "ctr_artefact": str(settings.ctr_dir.resolve()),
        "policy_artefact": str(settings.policy_dir.resolve()),
        "published": settings.published or str((settings.var_dir / "published").resolve()),
    }


def _is_up(url: str) -> bool:
    try:
        return calls.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def _campaigns_up(client: httpx.Client) -> int:
    answer = client.get("/health")
    return int(answer.json().get("campaigns") or 0) if answer.is_success else 0


def _active(client: httpx.Client) -> int:
    """Return how many campaigns are to bid, now: others may be paused meanwhile."""
    answer = client.get("/campaigns", params={"status": "active"})
    return len(answer.raise_for_status().json())
