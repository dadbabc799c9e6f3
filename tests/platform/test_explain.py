"""Bids of a real run, through HAProxy and the stages' own processes, decided again to the micro-unit."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from typing import Any

import httpx
import pytest

from raybid.local import Platform
from raybid.local.environment import ROOT
from rtb.runtime.settings import Settings
from tests.platform.test_traffic import bids_of, replay, requests_of
from tests.support import until

pytestmark = pytest.mark.cluster


def explain(settings: Settings, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "raybid.explain", *arguments]
    environment = {**os.environ, "RAYBID_VAR_DIR": str(settings.var_dir)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_random_bids_of_a_run_come_out_again(
    platform: Platform, settings: Settings, api: httpx.Client, admin: dict[str, str]
) -> None:
    figures = replay(settings, "--count", "1200", "--rate", "200")
    assert figures["errors"] == 0, figures
    bids = [bid for bid in bids_of(api, requests_of(31, 60)) if bid is not None]
    assert bids
    for bid in random.sample(bids, min(10, len(bids))):
        told = _told(api, admin, bid["id"])
        assert told["equal"] is True
        assert told["price"]["sent"]["cpm"] == bid["price"]
        assert told["made_by"]["ctr_model"] != "untrained"
    assert explain(settings, bid["id"])["recomputed_micros"] == told["price_micros"]
    assert explain(settings, "--sample", "500") == {"sampled": 500, "equal": 500}


def test_a_bid_that_never_was_is_not_explained(platform: Platform, api: httpx.Client, admin: dict[str, str]) -> None:
    answer = api.get("/explain/00000000000000ab-1", headers=admin)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:raybid:problem:bid-not-kept")


def _told(api: httpx.Client, admin: dict[str, str], bid_id: str) -> dict[str, Any]:
    """Return the explanation of a bid, which another replica may not have handed on yet."""
    path = f"/explain/{bid_id}"
    until(lambda: api.get(path, headers=admin).is_success, 20, "the bid is not kept", every=0.2)
    told: dict[str, Any] = api.get(path, headers=admin).json()
    return told
