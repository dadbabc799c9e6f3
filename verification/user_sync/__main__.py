"""User sync in Chromium: publishers, a Prebid Server and a platform, each on a host of its own with TLS.

How to run:

    make sync-check
    python -m verification.user_sync

What to expect: two minutes. It starts a platform in a temporary folder with a campaign that everybody may see once, and
hosts with a self-signed certificate, all on this machine. A person opens pages of two publishers: the id that the first
one sets must hold the cap on the second, and go with consent. Then every attempt at a redirect elsewhere is made, by
the browser and on the wire. The last line is one JSON object: `syncs` that told an id, ads `shown` to the person (1),
`open_redirects` (0) of those `tried`. Exit code 1 if anything is otherwise.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import httpx
import msgspec
import typer
import yaml
from rich.console import Console

from raybid.local import LaunchError, Platform
from raybid.local.models import train_missing
from raybid.local.ports import free_ports
from raybid.refusing import refuse
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from verification.chromium import BrowserMissing
from verification.user_sync.certificates import self_signed
from verification.user_sync.check import SyncCheck, SyncFindings, campaign, faults, profile
from verification.user_sync.hosts import NAMES, Hosts, serving
from verification.user_sync.prebid import SyncLog, application

_ONE_EACH = {name: {"max_replicas": 1} for name in ("Router", "CTRModel", "RLBidder")}


@processes.ended_by_signals()
def main() -> None:
    """Start everything, browse, stop everything."""
    console = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="raybid-sync-"))
    try:
        found = _checked(folder, console)
    except (LaunchError, BrowserMissing, httpx.HTTPError, OSError) as error:
        refuse("sync-check", f"{error} (logs: {folder})")
    typer.echo(msgspec.json.encode(found.summary()).decode())
    wrong = [*found.complaints, *faults(found.summary())]
    if wrong:
        refuse("sync-check", f"{'; '.join(wrong)} (logs: {folder})")
    shutil.rmtree(folder)


def _checked(folder: Path, console: Console) -> SyncFindings:
    def say(text: str) -> None:
        console.print(plain(text, "dim"))

    http, dashboard, ray, client, ledger, *places = free_ports(7)
    hosts = Hosts(*places)
    (folder / "exchanges").mkdir()
    (folder / "exchanges" / "prebid_sync.yaml").write_text(yaml.safe_dump(profile(hosts)))
    given = Settings()
    train_missing(given, console.print)
    settings = given.model_copy(
        update={
            "var_dir": folder / "var",
            "http_port": http,
            "dashboard_port": dashboard,
            "ray_port": ray,
            "ray_client_port": client,
            "ledger_port": ledger,
            "ctr_artefact": str(given.ctr_dir.resolve()),
            "policy_artefact": str(given.policy_dir.resolve()),
            "exchanges_dir": folder / "exchanges",
            "public_url": hosts.bidder,
            "frequency_timeout_seconds": 1.0,  # a busy machine is late with its counters, and the cap is what counts
        }
    )
    log, certificate = SyncLog(), self_signed(folder, NAMES)
    key = settings.resolve_secret("exchange_key")
    with (
        Platform(settings, say=say, scaling=_ONE_EACH) as platform,
        serving(hosts, certificate, application(hosts, settings.base_url, key, log), http),
        calls.client(settings.base_url, headers=settings.key_headers("admin_key"), timeout=30) as api,
    ):
        platform.register([campaign()])
        platform.await_campaigns()
        return SyncCheck(folder / "people", hosts, certificate, api, log, say=say).run()


if __name__ == "__main__":
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    typer.run(main)
