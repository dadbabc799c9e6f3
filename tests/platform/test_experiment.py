"""An experiment under load: both arms bid from their own money, nothing is lost, and no request notices."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from pipelines.experiment import app
from raybid.local import Platform
from raybid.local.environment import ROOT
from rtb.events.parquet import read_events
from rtb.models import policy
from rtb.models.policy import Policy, neutral
from rtb.runtime.settings import Settings
from tests.support import environment_of, until

pytestmark = pytest.mark.cluster

SHARE = 0.3
MULTIPLIER = 0.8


def verb(settings: Settings, *arguments: str, fails: bool = False) -> Any:
    """Return the last line of the verb, or its error."""
    where = {"RAYBID_VAR_DIR": str(settings.var_dir), "RAYBID_LEDGER_PORT": str(settings.ledger_port)}
    done = CliRunner().invoke(app, list(arguments), env=where)
    assert done.exit_code == fails, done.stderr
    if fails:
        assert len(done.stderr.splitlines()) == 1
        return done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def traffic(settings: Settings) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipelines.replay", "--url", settings.base_url, "--duration", "600"]
    options = ["--rate", "150", "--connections", "8", "--seed", "31"]
    return subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        env=environment_of(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_champion_and_challenger_are_served_side_by_side(
    platform: Platform, settings: Settings, api: httpx.Client, admin: dict[str, str], tmp_path: Path
) -> None:
    challenger = Policy(neutral().layers, "tanh", "levels", np.array([MULTIPLIER]), "challenger")
    policy.save(tmp_path / "challenger", challenger, metrics={}, trained_on="nothing")
    assert "no policy artefact" in verb(settings, "start", "--challenger", str(tmp_path / "none"), fails=True)
    told = api.get("/stats", headers=admin).json()["campaigns"]
    budgets = {name: one["budget_micros"] for name, one in told.items()}
    before, began = platform.spent_micros(), time.time()
    exchange = traffic(settings)
    try:
        number = verb(settings, "start", "--challenger", str(tmp_path / "challenger"), "--share", str(SHARE))["number"]
        assert "is running" in verb(settings, "start", "--challenger", str(tmp_path / "challenger"), fails=True)
        until(lambda: arms(settings)["micros"]["challenger"]["spent"] > 0, 60, "the challenger buys nothing")
        until(lambda: "challenger" in api.get("/admin/experiment", headers=admin).json(), 10, "no replica knows it")
        until(lambda: seconds_of(settings, number, began) > 4, 60, "the experiment does not bid", every=0.5)
        told = arms(settings)
        ended = verb(settings, "stop")["ended"]
        until(lambda: bids_since(settings, began)[-1]["at"].timestamp() > ended, 20, "no bid after the end", every=0.5)
        exchange.terminate()
        said, errors = exchange.communicate(timeout=60)
    finally:
        exchange.kill()
    figures = json.loads(said.splitlines()[-1])
    assert figures["errors"] == figures["invalid_responses"] == figures["status"]["other"] == 0, (figures, errors)
    assert platform.spent_micros() - before == figures["spend_micros"]

    money = told["micros"]
    assert told["campaigns"] > 0
    assert money["challenger"]["budget"] <= SHARE * (money["champion"]["budget"] + money["challenger"]["budget"])
    assert money["challenger"]["spent"] <= money["challenger"]["budget"]

    assert arms(settings)["campaigns"] == 0
    for name, campaign in api.get("/stats", headers=admin).json()["campaigns"].items():
        pots = [campaign[f"{pot}_micros"] for pot in ("available", "leased", "reserved", "spent")]
        assert min(pots) >= 0
        assert sum(pots) == campaign["budget_micros"] == budgets[name]

    bids = bids_since(settings, began)
    assert {bid["experiment"] for bid in bids} == {None, number}
    assert all(0.0 < bid["multiplier"] <= 1.0 for bid in bids)
    seen = verb(settings, "report", "--block-seconds", "1")
    assert seen["readings"] > 0
    assert money["challenger"]["spent"] * 0.5 < seen["challenger"]["spend_micros"] <= money["challenger"]["budget"]
    assert seen["champion"]["spend_micros"] > seen["challenger"]["spend_micros"]
    assert seen["says"]
    assert "already ended" in verb(settings, "stop", fails=True)


def arms(settings: Settings) -> dict[str, Any]:
    told: dict[str, Any] = verb(settings, "status")
    return told


def seconds_of(settings: Settings, number: int, since: float) -> float:
    """Return for how long an experiment has bid, by what is written."""
    at = [bid["at"].timestamp() for bid in bids_since(settings, since) if bid["experiment"] == number]
    return at[-1] - at[0] if at else 0.0


def bids_since(settings: Settings, since: float) -> list[dict[str, Any]]:
    events = read_events(settings.events_dir, since, time.time() + 10).to_pylist()
    return [event for event in events if event["kind"] == "bid"]
