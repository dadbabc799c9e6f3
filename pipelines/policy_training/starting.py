"""What starts a training on the Ray it was given: in this process, or on the hosts of a cluster."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from pipelines.policy_training import placing
from pipelines.policy_training.hosts import Processes
from pipelines.policy_training.loop import Training, TrainingPlan, yardstick_of
from pipelines.policy_training.remote import RemoteTraining
from pipelines.policy_training.tuning import TrialPlaces
from rtb.runtime.settings import Settings
from rtb.store.arrow import arrow_filesystem


@contextmanager
def training_of(plan: TrainingPlan, *, is_cluster: bool) -> Iterator[Training | RemoteTraining]:
    """Yield a training: placed in the cluster if it has several processes, else in this one.

    Raises:
        NoRoom: the cluster has no room for its processes.
    """
    processes = Processes(plan.run.num_env_runners, plan.run.num_learners)
    if not is_cluster or processes.total == 1:
        yield Training(plan, yardstick_of(plan.run))
        return
    with placing.reserved(processes) as group:
        yield RemoteTraining(plan, group)


def trial_places(settings: Settings, plan: TrainingPlan, *, is_cluster: bool) -> TrialPlaces:
    """Return where the trials of a sweep run, and where their checkpoints lie.

    Raises:
        NoRoom: the cluster has no room for a trial.
    """
    if not is_cluster:
        return TrialPlaces(str(plan.folder), int(ray.cluster_resources()["CPU"]))
    at_once = placing.await_trials()
    if not settings.store:
        return TrialPlaces(str(plan.folder), at_once, is_limited=True)
    filesystem, root = arrow_filesystem(settings.store)
    folder = f"{root}/sweeps/{secrets.token_hex(6)}"
    return TrialPlaces(folder, at_once, is_limited=True, filesystem=filesystem)
