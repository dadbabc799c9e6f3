"""Load by wrk, which costs about 20 microseconds per request, so that the platform is what is measured."""

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
    """An error when wrk is missing or fails; the message says what to do."""


class Load(msgspec.Struct, frozen=True):
    """The results of a run of wrk.

    Attributes:
        requests: requests answered, including notices.
        seconds: duration.
        notices: notices of won bids, among the requests.
        errors: refused or broken connections, timeouts and answers from 400 up.
        p50_ms: median latency.
        p90_ms: 90th percentile of the latency.
        p99_ms: 99th percentile of the latency.
        max_ms: maximum latency.
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
        """Bid requests per second, without notices."""
        return (self.requests - self.notices) / self.seconds


def program() -> str:
    """Return the path of wrk.

    Raises:
        LoadError: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise LoadError("the load generator wrk is not installed: `apt-get install wrk`")
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
    """Send requests on this many connections, each one as soon as the previous was answered.

    Args:
        url: URL of the platform.
        requests: file with a JSON body per line.
        path: path to post to.
        connections: number of open connections.
        seconds: duration, whole seconds.
        rate: requests per second over all connections, at random times; 0: as fast as they are answered.
        wins: share of the bids that win, and whose notices are sent.
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
            env={**os.environ, "RAYBID_EXCHANGE_KEY": key},  # on the command line every process could see it
            capture_output=True,
            text=True,
            timeout=seconds + _OVERTIME_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"wrk did not finish: {' '.join(command)}") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise LoadError(f"wrk failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return msgspec.json.decode(lines[-1], type=Load)
