"""An exchange that trades while the platform is attacked: its answers show what an attack costs others.

It is a process of its own, so that the attacker's computations do not slow it. It bids at a steady rate whatever the
answers do (open loop), settles its bids, and writes a line per request: start time, milliseconds, status.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop

from raybid.local import LaunchError
from raybid.local.environment import ROOT
from rtb.runtime import processes
from simulation.exchange.client import HttpClient, TransportError

RATE = 40.0
"""Bid requests per second. Half of the bids are sold and the others lost: each has a notice.

A machine of two cores answers them with one. At twice the rate both are busy, and the check would time the machine.
"""

_BEGIN_SECONDS = 60.0
_END_SECONDS = 10.0
_PATIENCE_SECONDS = 5.0


class HonestRequest(NamedTuple):
    """One bid request of the honest exchange.

    Attributes:
        at: start time (the monotonic clock, in seconds).
        ms: latency of the answer.
        status: HTTP status, 0 without an answer.
    """

    at: float
    ms: float
    status: int

    @property
    def is_good(self) -> bool:
        """Whether the answer follows OpenRTB."""
        return self.status in (200, 204)


class Traffic:
    """The observations of the honest exchange.

    Args:
        log: file that it writes.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = 0
        self._samples: list[HonestRequest] = []

    def between(self, begin: float, end: float) -> list[HonestRequest]:
        """Return the requests that began in this period and are answered by now."""
        self._take()
        return [one for one in self._samples if begin <= one.at <= end]

    def await_first(self, process: subprocess.Popen[str]) -> None:
        """Wait until the exchange trades.

        Raises:
            LaunchError: it does not.
        """
        deadline = time.monotonic() + _BEGIN_SECONDS
        while not self._log.stat().st_size:
            if process.poll() is not None or time.monotonic() > deadline:
                raise LaunchError("the honest exchange does not trade")
            time.sleep(0.1)

    def _take(self) -> None:
        with self._log.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode().splitlines():
            at, ms, status = line.split()
            self._samples.append(HonestRequest(float(at), float(ms), int(status)))


def p99(samples: Sequence[HonestRequest]) -> float:
    """Return the 99th percentile of the latencies in ms, robust against single outliers; 0 without samples."""
    ordered = sorted(one.ms for one in samples)
    return ordered[int(0.99 * (len(ordered) - 1))] if ordered else 0.0


@contextmanager
def trading(url: str, key: str, page: str, log: Path) -> Iterator[Traffic]:
    """Run an honest exchange for the time of the block.

    Args:
        url: URL to bid at.
        key: its API key.
        page: domain that its requests are for.
        log: file to write.
    """
    log.touch()
    command = [sys.executable, "-m", __name__, url, page, str(log)]
    process = processes.start(command, _END_SECONDS, cwd=ROOT, stdin=subprocess.PIPE, text=True)
    try:
        assert process.stdin is not None
        process.stdin.write(key + "\n")  # not an argument: everybody can see those
        process.stdin.flush()
        traffic = Traffic(log)
        traffic.await_first(process)
        yield traffic
    finally:
        processes.end(process)


class _Exchange:
    def __init__(self, url: str, key: str, page: str, log: Path) -> None:
        self._url = url
        self._headers = f"X-API-Key: {key}\r\nContent-Type: application/json\r\n"
        self._page = page
        self._log = log.open("a", buffering=1)
        self._client = HttpClient(_PATIENCE_SECONDS)
        self._tasks: set[asyncio.Task[None]] = set()

    async def trade(self) -> None:
        begin, number = time.monotonic(), 0
        while True:
            await asyncio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
            task = asyncio.create_task(self._bid(number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            number += 1

    async def _bid(self, number: int) -> None:
        body = msgspec.json.encode(
            {
                "id": f"honest-{number}",
                "at": 1 + number % 2,
                "imp": [{"id": "1", "banner": {"w": 300, "h": 250}, "bidfloor": 0.01}],
                "site": {"domain": self._page},
                "device": {"devicetype": 2, "ua": f"Mozilla/5.0 honest/{number % 50}"},
            }
        )
        at = time.monotonic()
        try:
            answer = await self._client.post(self._url, body, self._headers)
            status, content = answer.status, answer.body
        except TransportError:
            status, content = 0, b""
        self._log.write(f"{at:.6f} {(time.monotonic() - at) * 1e3:.3f} {status}\n")
        if status == 200:
            await self._settle(number, msgspec.json.decode(content))

    async def _settle(self, number: int, response: dict[str, list[dict[str, list[dict[str, str]]]]]) -> None:
        bid = response["seatbid"][0]["bid"][0]
        url = bid["burl"] if number % 2 else bid["lurl"]
        try:
            await self._client.get(url.replace("${AUCTION_PRICE}", str(bid["price"])))
        except TransportError:  # the next notice makes up for it
            return


def main() -> None:
    """Trade until killed."""
    url, page, log = sys.argv[1:]
    key = sys.stdin.readline().strip()
    uvloop.run(_Exchange(url, key, page, Path(log)).trade())


if __name__ == "__main__":
    main()
