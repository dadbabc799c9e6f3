"""The loop, on a real cluster: what was served trains the model that serves next, and no request notices the change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from pipelines.datasets import simulate
from pipelines.served import NothingServed, served_impressions
from raybid.local import Platform
from raybid.local.environment import ROOT
from rtb.events.parquet import read_events
from rtb.models import ctr
from rtb.models.artefacts import read_meta
from rtb.models.ctr import CTRNetwork, CTRScorer
from rtb.models.registry import Registry
from rtb.models.scores import CLICK, PRIOR
from rtb.runtime.settings import Settings
from rtb.store import event_store
from simulation import reference
from simulation.optimum import expected_auc
from tests.support import environment_of, until

pytestmark = pytest.mark.cluster

_HELD_OUT, _CLICKS = 0.4, 28  # share of the impressions that the models are judged on, and clicks wanted among them
_USUAL_CTR = 0.012


@contextmanager
def traffic(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """Run an exchange with users that click, until it is told to stop."""
    command = [sys.executable, "-m", "pipelines.replay", "--url", settings.base_url, "--duration", "600"]
    options = ["--rate", "600", "--connections", "16", "--seed", "77"]
    replay = subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        env=environment_of(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield replay
    finally:
        replay.terminate()
        replay.wait(30)


def untrained(folder: Path) -> Path:
    """Write a model that predicts the same click probability for every user."""
    network = CTRNetwork()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.bias[CLICK] = np.log(_USUAL_CTR / (1 - _USUAL_CTR))
    ctr.save(folder, network, metrics={}, trained_on="nothing")
    return folder


def serves(api: httpx.Client, admin: dict[str, str], folder: Path) -> Callable[[], bool]:
    version = read_meta(folder).version

    def every_replica() -> bool:
        told = api.get("/models", headers=admin).json()["ctr"]
        return told["published"] == version and {one["version"] for one in told["replicas"]} == {version}

    return every_replica


@pytest.mark.timeout(1_200)
def test_clicks_served_train_the_next_model_and_no_request_fails(
    platform: Platform, settings: Settings, api: httpx.Client, admin: dict[str, str], tmp_path: Path
) -> None:
    cold = untrained(tmp_path / "cold")
    verb(settings, "publish", "--kind", "ctr", str(cold), "--impressions", "1000", "--force", "a cold start")
    until(serves(api, admin, cold), 20, "the untrained model is not served")
    began = time.time()
    with traffic(settings) as exchange:
        trained, told = retrained(settings)
        learned = Registry.of(settings, "ctr").path(told["version"])
        until(serves(api, admin, learned), 20, "the trained model is not served")
        swapped = time.time()
        until(
            lambda: scored_by(settings, swapped, time.time(), learned), 30, "the trained model scores no bid", every=1
        )
        exchange.terminate()
        said, errors = exchange.communicate(timeout=60)
    figures: dict[str, Any] = json.loads(said.splitlines()[-1])
    assert figures["errors"] == 0, (figures, errors)
    assert figures["invalid_responses"] == 0, figures["violations"]
    assert figures["status"]["other"] == figures["status"]["400"] == 0
    assert quality(learned) > quality(cold) + 0.02

    assert scored_by(settings, began, trained, cold)

    (adopted, *_) = Registry.of(settings, "ctr").read().history
    verb(settings, "rollback", "--kind", "ctr", "--to", adopted.version)
    until(serves(api, admin, settings.ctr_dir), 20, "the first model does not serve again")


def retrained(settings: Settings) -> tuple[float, dict[str, Any]]:
    """When a model was trained that passed its gate, and what was said of it.

    Of so few clicks one is worse than none now and then, and the gate refuses it, or a tenth of the time has no click:
    then of twice as many, as the next night would.
    """
    for clicks in (_CLICKS, 2 * _CLICKS, 4 * _CLICKS):
        until(lambda wanted=clicks: newest_clicks(settings) >= wanted, 300, "too few clicks", every=1)  # type: ignore[misc]
        trained = time.time()
        done = run(settings, "retrain", "--held-out", str(_HELD_OUT))
        if done.returncode == 0:
            return trained, json.loads(done.stdout.splitlines()[-1])
        assert "is refused: worse than" in done.stderr or "are not enough" in done.stderr
    raise AssertionError(done.stderr)


def verb(settings: Settings, name: str, *arguments: str) -> dict[str, Any]:
    """Return the last line of a verb of the pipelines."""
    done = run(settings, name, *arguments)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def run(settings: Settings, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of the pipelines to its end."""
    command = [sys.executable, "-m", f"pipelines.{name}", *arguments]
    given = {**os.environ, "RAYBID_VAR_DIR": str(settings.var_dir)}
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=False)


def scored_by(settings: Settings, since: float, until: float, folder: Path) -> bool:
    """Whether there are bids of these seconds in the events, and this model predicted all that are not the prior's.

    Those are few: of batches that the model, beside a training on the same cores, did not answer in time.
    """
    events = read_events(event_store(settings), since, until + 5).to_pylist()
    bids = [one for one in events if one["kind"] == "bid" and since <= one["at"].timestamp() < until]
    rows = np.array([bid["features"] for bid in bids], np.int32)
    if not bids:
        return False
    told = np.array([bid["pctr"] for bid in bids])
    is_models = np.isclose(told, CTRScorer.load(folder).score(rows)[:, CLICK], rtol=1e-4)
    is_priors = np.isclose(told, PRIOR[CLICK], rtol=1e-4)
    return bool((is_models | is_priors).all() and is_models.mean() > 0.9)


def newest_clicks(settings: Settings) -> int:
    try:
        return int(served_impressions(event_store(settings)).split(1.0 - _HELD_OUT)[1].click.sum())
    except NothingServed:
        return 0


def quality(folder: Path) -> float:
    """Return the AUC of its predictions under the market's own click probabilities."""
    data = simulate(reference.market(4_711), reference.campaigns(), 20_000, 4_711, lambda _: None)
    assert data.truth is not None
    return expected_auc(CTRScorer.load(folder).score(data.rows)[:, CLICK].astype(np.float64), data.truth)
