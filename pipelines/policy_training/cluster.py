"""The Ray to train on: an existing cluster, or a small temporary one."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pipelines.background import give_way
from raybid.local import folders
from raybid.local.environment import LOOPBACK, ROOT
from rtb.runtime import calls, processes


@contextmanager
def on_ray(address: str, room: int) -> Iterator[bool]:
    """Connect to the cluster at `address` or `RAY_ADDRESS`, else start our own with room for this many processes.

    Yields:
        Whether it is a cluster of others, which may serve and have several hosts. Through Ray's client server, by a
        `ray://` address, nothing can be placed: that is taken for one of our own.

    Raises:
        ConnectionError: nothing listens at the address.
    """
    given = address or os.environ.get("RAY_ADDRESS", "")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.update(calls.no_proxy_variables(os.environ, *([given.rpartition(":")[0]] if ":" in given else [])))
    # The networks are tiny: more threads only wait for each other, many times as long on a busy machine.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not given:  # for this process and its children only; nobody else may find the token
        os.environ.pop("RAY_AUTH_TOKEN_PATH", None)
        os.environ.update(LOOPBACK, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    import ray  # noqa: PLC0415 - it reads the variables above, as does torch

    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    with ExitStack() as stack:
        if given:
            _reach(given)
            give_way()  # the cluster may be serving
            workers = {"worker_process_setup_hook": "pipelines.background.give_way"}
            ray.init(address=given, runtime_env=workers, **quiet)
        else:
            own = stack.enter_context(_own(max(len(os.sched_getaffinity(0)), room)))
            ray.init(address=own, **quiet)
        logging.getLogger("ray.rllib").setLevel(logging.ERROR)  # it would announce its API stack
        try:
            yield bool(given) and not given.startswith("ray://")
        finally:
            ray.shutdown()


@contextmanager
def _own(cpus: int) -> Iterator[str]:
    """Start a Ray for the time of the block, or until this process is killed; yield its address.

    Raises:
        ConnectionError: it does not start; the reason is on standard error.
    """
    with folders.scratch() as folder:
        command = [sys.executable, "-m", f"{__package__}.own_ray", str(cpus), str(folder)]
        server = processes.start(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdin is not None and server.stdout is not None
            address = server.stdout.readline().strip()
            if not address:
                raise ConnectionError("Ray did not start: see its output above")
            yield address
            server.stdin.close()
            server.wait()
        finally:
            processes.end(server)


def _reach(address: str) -> None:
    """Try an address of the form `host:port` first: Ray itself would retry for minutes.

    Raises:
        ConnectionError: nothing listens there.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return  # "auto", or something for Ray to check
    try:
        socket.create_connection((host, int(port)), timeout=5.0).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"no Ray cluster at {address} ({error}): start one, or leave the address out") from error
