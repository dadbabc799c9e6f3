"""The load: wrk, which costs some 20 microseconds a request, so that what is measured is the platform."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec

from rtb.runtime import processes

_SCRIPT = Path(__file__).with_name("replay.lua")
_OVERTIME_SECONDS = 30.0


class LoadError(RuntimeError):
    """wrk is not there or fails; the message says what to do."""


class Load(msgspec.Struct, frozen=True):
    """What a run of wrk came to.

    Attributes:
        requests: answered, notices with them.
        seconds: it took.
        notices: of won bids among the requests.
        errors: connections refused or broken, time-outs and answers from 400 up.
        p50_ms: middle of the latencies; the others likewise.
        p90_ms: 90th percentile.
        p99_ms: 99th percentile.
        max_ms: the longest.
    """

    requests: int
    seconds: float
    notices: int
    errors: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @property
    def qps(self) -> float:
        """Bid requests a second; notices are not counted."""
        return (self.requests - self.notices) / self.seconds


def program() -> str:
    """Where wrk is.

    Raises:
        LoadError: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise LoadError("wrk, which makes the load, is not installed: `apt-get install wrk`")
    return found


def load(
    url: str,
    requests: Path,
    *,
    path: str = "/openrtb2/bid",
    connections: int,
    seconds: float,
    rate: float = 0.0,
    wins: float = 0.0,
    key: str = "",
) -> Load:
    """Send requests on so many connections, each the next as soon as it has the answer to the last.

    Args:
        url: of the platform.
        requests: file with a JSON body a line.
        path: they are posted to.
        connections: kept open.
        seconds: how long, whole ones.
        rate: requests a second over all connections, at random times; 0: as fast as they are answered.
        wins: part of the bids that win: their notices are sent too.
        key: the `X-API-Key` of requests; empty: none.

    Raises:
        LoadError: wrk is not installed, or fails.
    """
    pause_ms = 1_000.0 * connections / rate if rate else 0.0
    command = [program(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "5s"]
    command += ["-s", str(_SCRIPT), url, "--", str(requests), path, f"{pause_ms:g}", f"{wins:g}"]
    try:
        done = processes.run(
            command,
            env={**os.environ, "RAYBID_EXCHANGE_KEY": key},  # on the command line every process would see it
            capture_output=True,
            text=True,
            timeout=seconds + _OVERTIME_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"wrk does not end: {' '.join(command)}") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise LoadError(f"wrk fails: {(done.stderr or done.stdout).strip()[-300:]}")
    return msgspec.json.decode(lines[-1], type=Load)
