"""Trainings on a Ray of two hosts."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.policy_training.choices import Scheduler
from pipelines.policy_training.hosts import SHARE, NoRoom, Processes
from pipelines.policy_training.kept import CheckpointError, TrainingState
from rtb.runtime.settings import Settings
from rtb.store import Store, open_store
from tests.buckets import Buckets

pytestmark = pytest.mark.cluster

_STEPS, _MARKETS, _ENVS = 1_600, 2, 8


@pytest.fixture(scope="module")
def two_hosts(bucket_server: Buckets) -> Iterator[str]:
    """Start the cluster, whose workers may use the bucket; yield its address."""
    import ray  # noqa: PLC0415 - after `pytest_configure`, which says how it is reached
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in bucket_server.environment.items():
            patch.setenv(name, value)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
        try:
            cluster.add_node(num_cpus=2)
            ray.init(address=cluster.address, **quiet)
            yield cluster.address
        finally:
            ray.shutdown()
            cluster.shutdown()


def _plan(folder: Path, runners: int, steps: int = _STEPS, until: float = math.inf) -> Any:
    from pipelines.policy_training.loop import TrainingPlan  # noqa: PLC0415 - imports Ray
    from rllib_configs.registry import TrainingRun  # noqa: PLC0415

    run = TrainingRun(
        steps=steps, num_envs=_ENVS, num_env_runners=runners, markets=_MARKETS, decision=100, seed=1, cpus=SHARE
    )
    return TrainingPlan(run, TrainingState("ppo", "", 1), folder, until)


def _free() -> float:
    from pipelines.policy_training import placing  # noqa: PLC0415 - imports Ray

    return sum(host.free for host in placing.hosts())


def test_processes_are_on_both_hosts_and_what_does_not_fit_is_said_in_time(two_hosts: str) -> None:
    import ray  # noqa: PLC0415

    from pipelines.policy_training import placing  # noqa: PLC0415

    assert [(host.cpus, host.room) for host in placing.hosts()] == [(2.0, 2), (2.0, 2)]
    with placing.reserved(Processes(2, 0)) as group:
        nodes = ray.util.placement_group_table(group)["bundles_to_node_id"]
        assert sorted(Counter(nodes.values()).values()) == [1, 2]
        assert nodes[0] != nodes[1]
    start = time.monotonic()
    with pytest.raises(NoRoom, match="a training of 6 processes"), placing.reserved(Processes(5, 0)):
        pass
    assert time.monotonic() - start < 10.0


def test_a_placed_training_is_kept_here_and_resumed(two_hosts: str, tmp_path: Path) -> None:
    from pipelines.policy_training import kept  # noqa: PLC0415 - imports Ray
    from pipelines.policy_training.starting import training_of  # noqa: PLC0415

    with training_of(_plan(tmp_path, 1), is_cluster=True) as training:
        judged = list(training.go())
        state = training.state
    assert judged[-1] and state.steps >= _STEPS and state.gains
    found, best = kept.read(tmp_path, TrainingState("ppo", "", 1))
    assert (found.steps, found.rllib) == (state.steps, f"rllib-{state.steps}")
    for there, here in zip(training.best.layers, best.layers, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(there, here, strict=True))
    with training_of(_plan(tmp_path, 1, steps=state.steps + 1), is_cluster=True) as more:
        list(more.go(resume=True))
    assert more.state.steps > state.steps
    assert more.state.seconds > state.seconds
    assert [path.name for path in tmp_path.glob("rllib-*")] == [f"rllib-{more.state.steps}"]
    _await_room_again()


def _await_room_again() -> None:
    deadline = time.monotonic() + 20.0
    while _free() < 4.0 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _free() == 4.0


def test_a_placed_training_says_what_it_failed_of(two_hosts: str, tmp_path: Path) -> None:
    from pipelines.policy_training.starting import training_of  # noqa: PLC0415 - imports Ray

    plan = _plan(tmp_path, 1)
    plan = replace(plan, run=replace(plan.run, data="/nowhere"))
    with training_of(plan, is_cluster=True) as training, pytest.raises((OSError, ValueError), match="/nowhere"):
        list(training.go())
    with training_of(_plan(tmp_path, 1), is_cluster=True) as none, pytest.raises(CheckpointError):
        list(none.go(resume=True))


def test_a_placed_training_ends_in_time(two_hosts: str, tmp_path: Path) -> None:
    from pipelines.policy_training.starting import training_of  # noqa: PLC0415 - imports Ray

    until = time.time() + 35.0
    with training_of(_plan(tmp_path, 1, steps=1_000_000_000, until=until), is_cluster=True) as training:
        list(training.go())
    assert training.state.gains
    assert until - 15.0 < time.time() < until + 5.0


def test_a_sweep_keeps_its_trials_in_the_store(two_hosts: str, bucket_server: Buckets, tmp_path: Path) -> None:
    from pipelines.policy_training.starting import trial_places  # noqa: PLC0415 - imports Ray
    from pipelines.policy_training.tuning import sweep  # noqa: PLC0415

    settings = Settings(var_dir=tmp_path, store=bucket_server.url())
    plan = _plan(tmp_path, 0, steps=400)
    where = trial_places(settings, plan, is_cluster=True)
    assert where.at_once == 4
    swept = sweep(plan, 2, Scheduler.ASHA, lambda done, text: None, where)
    assert [score is not None for _, score, _ in swept.trials] == [True, True]
    assert swept.state.score == max(score for _, score, _ in swept.trials if score is not None)
    assert list(tmp_path.iterdir()) == []
    store = open_store(settings.store)
    assert [*files_below(store, "sweeps")] == []  # a folder without files may be listed for a while


def files_below(store: Store, folder: str) -> Iterator[str]:
    """Yield the files of a folder and of those in it."""
    yield from store.files(folder)
    for name in store.folders(folder):
        yield from files_below(store, f"{folder}/{name}")


def test_a_command_without_room_ends_with_one_line(two_hosts: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipelines.train_policy", "--address", two_hosts, "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [*command, "--checkpoint", str(tmp_path / "checkpoint"), "--num-env-runners", "7"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("train_policy: no room in the cluster for a training of 8 processes")
    assert "give --num-env-runners 3" in line


def test_a_command_on_both_hosts_ends_in_time(two_hosts: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipelines.train_policy", "--address", two_hosts, "--out", str(tmp_path / "out")]
    options = ["--checkpoint", str(tmp_path / "checkpoint"), "--num-env-runners", "1", "--num-learners", "1"]
    options += ["--markets", "2"]
    start = time.monotonic()
    done = subprocess.run(
        [*command, *options, "--seconds", "50"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["steps"] > 0
    assert time.monotonic() - start < 60.0
