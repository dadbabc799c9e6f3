"""A Ray to train on: a cluster that is there, or a small one for as long as it takes."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.background import give_way
from pipelines.local import folders
from pipelines.local.environment import LOOPBACK


@contextmanager
def on_ray(address: str, processes: int) -> Iterator[None]:
    """Be on the cluster at `address` or `RAY_ADDRESS`, else on one of our own with room for so many processes.

    Raises:
        ConnectionError: nobody listens at the address.
    """
    given = address or os.environ.get("RAY_ADDRESS", "")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # The networks are tiny: more threads only wait for each other, for many times as long on a busy machine.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not given:  # for this process and what it starts; no other is to find the token
        os.environ.pop("RAY_AUTH_TOKEN_PATH", None)
        os.environ.update(LOOPBACK, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    import ray  # noqa: PLC0415 - reads the variables above, as does torch

    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    with folders.scratch() as folder:
        if given:
            _reach(given)
            give_way()  # the cluster may be serving
            workers = {"worker_process_setup_hook": "pipelines.background.give_way"}
            ray.init(address=given, runtime_env=workers, **quiet)
        else:
            cpus = max(len(os.sched_getaffinity(0)), processes)
            ray.init(address="local", num_cpus=cpus, include_dashboard=False, _temp_dir=str(folder), **quiet)
        logging.getLogger("ray.rllib").setLevel(logging.ERROR)  # which announces its API stack otherwise
        try:
            yield
        finally:
            ray.shutdown()


def _reach(address: str) -> None:
    """Try an address of the form `host:port` first: Ray itself would go on trying for minutes.

    Raises:
        ConnectionError: nobody listens there.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return  # "auto", or something Ray will judge
    try:
        socket.create_connection((host, int(port)), timeout=5.0).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"no Ray cluster at {address} ({error}): start one, or leave the address out") from error
