"""User sync in a real browser, with a platform in this process: what `python -m verification.user_sync` does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from raybid.local.ports import free_ports
from tests.conftest import Valkey
from tests.deployments.in_process import running
from tests.support import require_package
from verification.user_sync.certificates import self_signed
from verification.user_sync.check import SyncCheck, campaign, faults, profile
from verification.user_sync.hosts import NAMES, Hosts, serving
from verification.user_sync.prebid import SyncLog, application

KEY = "a key of the exchange in these tests"


def test_an_id_holds_a_cap_on_the_next_page_and_no_attempt_leads_elsewhere(valkey: Valkey, tmp_path: Path) -> None:
    require_package(shutil.which("chromium") or os.environ.get("RAYBID_CHROMIUM"), "chromium")
    hosts, folder = Hosts(*free_ports(2)), tmp_path / "exchanges"
    folder.mkdir()
    (folder / "prebid_sync.yaml").write_text(yaml.safe_dump(profile(hosts)))
    log, certificate = SyncLog(), self_signed(tmp_path, NAMES)
    told: dict[str, Any] = {"exchanges_dir": folder, "public_url": hosts.bidder, "exchange_keys": KEY}
    told |= {"frequency_timeout_seconds": 5}  # a busy machine is late with its counters
    with running(valkey, tmp_path / "var", **told) as platform, platform.client() as api:
        platform.register(campaign())
        port = int(platform.url.rpartition(":")[2])
        with serving(hosts, certificate, application(hosts, platform.url, KEY, log), port):
            found = SyncCheck(tmp_path / "people", hosts, certificate, api, log, say=lambda text: None).run()
        counters = api.get("/stats").json()["counters"]
    assert (found.complaints, faults(found.summary())) == ([], [])
    assert (found.shown, found.others_shown, found.open_redirects) == (1, 1, 0)
    assert found.tried >= 80
    assert found.syncs >= 4
    assert counters["sync.prebid_sync.kept"] >= 2
    assert counters["sync.prebid_sync.withdrawn"] == 1
    assert counters["security.sync_foreign"] > 60
