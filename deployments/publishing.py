"""Candidates judged and published by a job on this cluster: the gate belongs to the pipelines, and takes its time."""

from __future__ import annotations

import os
import shlex
import sys
from typing import NamedTuple

import msgspec
import ray
from ray.job_submission import JobSubmissionClient

from rtb.models.registry import Kind
from rtb.runtime import calls

_LAST = 2_000
"""Characters of what a job said last."""


class JobsAway(RuntimeError):
    """Jobs cannot be sent or asked for now."""


class NoCluster(RuntimeError):
    """This process is on no Ray cluster; the message says what to do instead."""


class JobUnknown(LookupError):
    """There is no such job, or it publishes nothing."""


class PublishOrder(msgspec.Struct, frozen=True):
    """What `publish_job` is to do: see `start`."""

    kind: Kind
    folder: str
    force: str


class Publication(NamedTuple):
    """A job that publishes.

    Attributes:
        job: its id.
        state: `pending`, `running`, `succeeded`, `failed` or `stopped`.
        says: what it printed last.
    """

    job: str
    state: str
    says: str


def start(kind: Kind, folder: str, force: str) -> Publication:
    """Send a job that judges a candidate and publishes it; it runs as `ray job submit` would run it.

    Args:
        kind: of the model.
        folder: of the candidate, on the machine where jobs run.
        force: reason to publish it whatever the gate says; empty: the gate decides.

    Raises:
        NoCluster: there is none that takes jobs.
        JobsAway: the cluster takes no jobs now.
    """
    order = msgspec.json.encode(PublishOrder(kind, folder, force)).decode()
    client = _client()
    try:
        command = shlex.join([sys.executable, "-m", f"{__package__}.publish_job", order])
        job = client.submit_job(entrypoint=command, metadata={"publishes": kind})
    except _TROUBLE as error:
        raise JobsAway(str(error)) from error
    return Publication(job, "pending", "")


def look(kind: Kind, job: str) -> Publication:
    """Return how far a publication is.

    Raises:
        JobUnknown: there is none of this id.
        NoCluster: there is none that takes jobs.
        JobsAway: the cluster does not answer.
    """
    client = _client()
    try:
        known = {one.submission_id: one for one in client.list_jobs()}
        found = known.get(job)
        if found is None or (found.metadata or {}).get("publishes") != kind:
            raise JobUnknown(f"no job {job[:60]!r} publishes a {kind} model")
        return Publication(job, str(found.status.value).lower(), client.get_job_logs(job)[-_LAST:])
    except _TROUBLE as error:
        raise JobsAway(str(error)) from error


_TROUBLE = (RuntimeError, ConnectionError, OSError, ValueError)


def _client() -> JobSubmissionClient:
    if not ray.is_initialized():
        raise NoCluster(
            "this platform is on no Ray cluster, which would run the job: run `python -m pipelines.publish`"
        )
    try:
        address = ray.get_runtime_context().gcs_address
        os.environ.update(calls.spared(os.environ, address.rpartition(":")[0]))  # the client asks a proxy otherwise
        return JobSubmissionClient(address)
    except _TROUBLE as error:
        raise JobsAway(str(error)) from error
