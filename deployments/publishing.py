"""Publishing a candidate by a job on this cluster, since the gate takes from seconds to minutes."""

from __future__ import annotations

import os
import shlex
import sys

import msgspec
import ray
from ray.job_submission import JobSubmissionClient

from rtb.models.registry import Kind
from rtb.runtime import calls

_LAST = 2_000
"""Characters of a job's output that are shown."""


class JobsAway(RuntimeError):
    """A cluster that takes no jobs now, or does not answer."""


class NoCluster(RuntimeError):
    """A process without a Ray cluster; the message says what to do instead."""


class JobUnknown(LookupError):
    """An id of no job that publishes this kind of model."""


class PublishOrder(msgspec.Struct, frozen=True):
    """The order to `publish_job`: see `start`."""

    kind: Kind
    folder: str
    force: str


class Publication(msgspec.Struct, frozen=True):
    """A job that publishes.

    Attributes:
        job: its id.
        state: `pending`, `running`, `succeeded`, `failed` or `stopped`.
        says: the end of its output.
    """

    job: str
    state: str
    says: str


def start(kind: Kind, folder: str, force: str) -> Publication:
    """Submit a job that judges a candidate and publishes it.

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
    """Return the state of a publication.

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
        os.environ.update(
            calls.no_proxy_variables(os.environ, address.rpartition(":")[0])
        )  # the client asks a proxy otherwise
        return JobSubmissionClient(address)
    except _TROUBLE as error:
        raise JobsAway(str(error)) from error
