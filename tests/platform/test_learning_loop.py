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
from rich.progress import Progress

from pipelines import reference
from pipelines.datasets import simulate
from pipelines.gate import HeldOut
from pipelines.local import Platform
from pipelines.local.cluster import ROOT
from pipelines.publish import publish
from pipelines.served import NothingServed, served_impressions
from pipelines.train_ctr import fit
from rtb import ctr
from rtb.artefacts import read_meta
from rtb.ctr import CLICK, CTRNetwork, CTRScorer
from rtb.events.parquet import read_events
from rtb.market.optimum import expected_auc
from rtb.registry import Registry
from rtb.settings import Settings

pytestmark = pytest.mark.cluster

_CLICKS = 120
_USUAL_CTR = 0.012


@contextmanager
def traffic(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """An exchange with users that click, until it is told to stop."""
    command = [sys.executable, "-m", "pipelines.replay", "--url", settings.base_url, "--duration", "600"]
    options = ["--rate", "600", "--connections", "16", "--seed", "77"]
    replay = subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield replay
    finally:
        replay.terminate()
        replay.wait(30)


def untrained(folder: Path) -> Path:
    """A model that knows how often users click, and nothing about them."""
    torch.manual_seed(0)
    network = CTRNetwork()
    with torch.no_grad():
        network.embedding.weight.zero_()
        network.deep[-1].weight.zero_()
        network.bias[CLICK] = np.log(_USUAL_CTR / (1 - _USUAL_CTR))
    ctr.save(folder, network, metrics={}, trained_on="nothing")
    return folder


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.25)


def serves(api: httpx.Client, admin: dict[str, str], folder: Path) -> Callable[[], bool]:
    version = read_meta(folder).version

    def every_replica() -> bool:
        told = api.get("/models", headers=admin).json()["ctr"]
        return told["published"] == version and {one["version"] for one in told["replicas"]} == {version}

    return every_replica


def test_clicks_served_train_the_next_model_and_no_request_fails(
    platform: Platform, settings: Settings, api: httpx.Client, admin: dict[str, str], tmp_path: Path
) -> None:
    cold = untrained(tmp_path / "cold")
    published(settings, cold, HeldOut(impressions=1_000), force="a cold start")
    until(serves(api, admin, cold), 20, "the untrained model is not taken up")
    began = time.time()
    with traffic(settings) as exchange:
        until(lambda: clicks_since(settings, began) >= _CLICKS, 80, "too few clicks")
        learned = train(settings, began, tmp_path / "learned")
        trained = time.time()
        published(settings, learned, HeldOut(events=settings.events_dir, since=began))
        until(serves(api, admin, learned), 20, "the trained model is not taken up")
        swapped = time.time()
        time.sleep(3)
        exchange.terminate()
        said, errors = exchange.communicate(timeout=60)
    figures: dict[str, Any] = json.loads(said.splitlines()[-1])
    assert figures["errors"] == 0, (figures, errors)
    assert figures["invalid_responses"] == 0, figures["violations"]
    assert figures["status"]["other"] == figures["status"]["400"] == 0
    assert quality(learned) > quality(cold) + 0.02

    until(
        lambda: scored_by(settings, swapped, time.time(), learned), 20, "no bid by the trained model is told"
    )
    assert scored_by(settings, began, trained, cold)

    (adopted, *_) = Registry(settings.published_dir, "ctr").read().history
    command = [sys.executable, "-m", "pipelines.rollback", "--kind", "ctr", "--to", adopted.version]
    rolled_back = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "RAYBID_VAR_DIR": str(settings.var_dir)}, capture_output=True, check=False
    )
    assert rolled_back.returncode == 0, rolled_back.stderr
    until(serves(api, admin, settings.ctr_dir), 20, "the first model does not serve again")


def published(settings: Settings, folder: Path, held_out: HeldOut, force: str = "") -> None:
    publish(settings, "ctr", folder, held_out, force=force, progress=Progress(disable=True))


def scored_by(settings: Settings, since: float, until: float, folder: Path) -> bool:
    """Whether there are bids of these seconds in the events, and this model predicted all of them."""
    events = read_events(settings.events_dir, since, until + 5).to_pylist()
    bids = [one for one in events if one["kind"] == "bid" and since <= one["at"].timestamp() < until]
    rows = np.array([bid["features"] for bid in bids], np.int32)
    predicted = CTRScorer.load(folder).score(rows)[:, CLICK] if bids else rows
    return len(bids) > 0 and np.allclose([bid["pctr"] for bid in bids], predicted, rtol=1e-4)


def clicks_since(settings: Settings, moment: float) -> int:
    try:
        return int(served_impressions(settings.events_dir, moment).click.sum())
    except NothingServed:
        return 0


def train(settings: Settings, since: float, folder: Path) -> Path:
    training, validation = served_impressions(settings.events_dir, since).split(0.8)
    ctr.save(folder, fit(training, validation, epochs=8, seed=1), metrics={}, trained_on="served events")
    return folder


def quality(folder: Path) -> float:
    """The AUC that the market's own probabilities of a click would give its predictions."""
    data = simulate(reference.market(4_711), reference.campaigns(), 20_000, 4_711, lambda _: None)
    return expected_auc(CTRScorer.load(folder).score(data.rows)[:, CLICK].astype(np.float64), data.truth)
