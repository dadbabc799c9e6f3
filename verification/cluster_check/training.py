"""A training whose env runners run on several hosts while these serve."""

from __future__ import annotations

import time

import httpx

from raybid.local import LaunchError
from rtb.runtime import processes
from verification.cluster_check.site import HOSTS, Site

_RUNNERS = 2
_SECONDS = 45
_JOB_SECONDS = 240.0
_LOOK_SECONDS = 0.5
_TRAIN = f"""
set -a; . ./cluster.env; set +a
.venv/bin/python -m pipelines.train_policy --address auto --num-env-runners {_RUNNERS} --seconds {_SECONDS} --markets 4
"""


def runners_on_hosts(site: Site) -> int:
    """Train a little from one host; return the number of hosts on which its env runners were seen.

    Raises:
        LaunchError: the training fails.
    """
    host = site.hosts[HOSTS[-1]]
    log = host.log.with_name("training.log")
    with log.open("wb") as said:
        training = processes.start(host.command(_TRAIN), env=host.environment, stdout=said, stderr=said)
    found: set[str] = set()
    deadline = time.monotonic() + _JOB_SECONDS
    try:
        while training.poll() is None and time.monotonic() < deadline:
            found |= _seen(site)
            time.sleep(_LOOK_SECONDS)
    finally:
        processes.end(training)
    if training.returncode:
        lines = log.read_text(errors="replace").strip().splitlines()
        raise LaunchError(f"the training failed: {lines[-1] if lines else 'no output'} (log: {log})")
    return len(found)


def _seen(site: Site) -> set[str]:
    """Return the nodes that have env runners now."""
    try:
        actors = site.ask_head("/api/v0/actors?detail=1&limit=1000").json()["data"]["result"]["result"]
    except (httpx.HTTPError, KeyError, ValueError):
        return set()
    return {one["node_id"] for one in actors if "EnvRunner" in one["class_name"] and one["state"] == "ALIVE"}
