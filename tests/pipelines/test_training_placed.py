"""Trainings on a Ray of two hosts that have CPUs and a head that has none."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.policy_training.hosts import SHARE, NoRoom, Processes
from pipelines.policy_training.kept import CheckpointError, TrainingState

pytestmark = pytest.mark.cluster

_STEPS, _MARKETS, _ENVS = 1_600, 2, 8


@pytest.fixture(scope="module")
def two_hosts() -> Iterator[None]:
    import ray  # noqa: PLC0415 - after `pytest_configure`, which says how it is reached
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=2)
        ray.init(address=cluster.address, **quiet)
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def _plan(folder: Path, runners: int, steps: int = _STEPS, until: float = float("inf")) -> Any:
    from pipelines.policy_training.loop import TrainingPlan  # noqa: PLC0415 - imports Ray
    from rllib_configs.registry import TrainingRun  # noqa: PLC0415

    run = TrainingRun(
        steps=steps, num_envs=_ENVS, num_env_runners=runners, markets=_MARKETS, decision=100, seed=1, cpus=SHARE
    )
    return TrainingPlan(run, TrainingState("ppo", "", 1), folder, until)


def _free() -> float:
    from pipelines.policy_training import placing  # noqa: PLC0415 - imports Ray

    return sum(host.free for host in placing.hosts())


def test_processes_are_on_both_hosts_and_what_does_not_fit_is_said_in_time(two_hosts: None) -> None:
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


def test_a_placed_training_is_kept_here_and_resumed(two_hosts: None, tmp_path: Path) -> None:
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


def test_a_placed_training_says_what_it_failed_of(two_hosts: None, tmp_path: Path) -> None:
    from pipelines.policy_training.starting import training_of  # noqa: PLC0415 - imports Ray

    plan = _plan(tmp_path, 1)
    plan = replace(plan, run=replace(plan.run, data="/nowhere"))
    with training_of(plan, is_cluster=True) as training, pytest.raises((OSError, ValueError), match="/nowhere"):
        list(training.go())
    with training_of(_plan(tmp_path, 1), is_cluster=True) as none, pytest.raises(CheckpointError):
        list(none.go(resume=True))


def test_a_placed_training_ends_in_time(two_hosts: None, tmp_path: Path) -> None:
    from pipelines.policy_training.starting import training_of  # noqa: PLC0415 - imports Ray

    until = time.time() + 60.0
    with training_of(_plan(tmp_path, 1, steps=1_000_000_000, until=until), is_cluster=True) as training:
        list(training.go())
    assert training.state.gains
    assert until - 15.0 < time.time() < until + 5.0
