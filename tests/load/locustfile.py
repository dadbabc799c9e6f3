"""Users of a bidder, for Locust; the run fails when the 99th percentile or a single answer is not as it should be.

    make load                                                                  # a platform of its own, one minute
    python -m locust -f tests/load/locustfile.py RTBUser --host http://127.0.0.1:8000           # with Locust's pages
    python -m locust -f tests/load/locustfile.py HighLoadUser --host URL --headless -u 20 -t 60s --sla-ms 80
    LOAD_SHAPE=step python -m locust -f tests/load/locustfile.py RTBUser --host URL --headless  # or spike

From several machines: the same with `--master` on one, and `--worker --master-host NAME` on the others; on one, with
`--processes 4`. Name `RTBUser` or `HighLoadUser`, else both kinds take part.

`RAYBID_KEY` is a key that bids and reads campaigns: an administrator's. A platform's `RAYBID_CALLS_PER_MINUTE`, or the
key's own `per_minute`, must allow so many calls: what is refused with 429 is a failure here.
"""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from locust import FastHttpUser, LoadTestShape, events, tag, task
from locust.env import Environment
from locust.runners import WorkerRunner

from tests.load.traffic import SLOTS, Traffic
from tests.load.verdict import verdict

_SHAPE = os.environ.get("LOAD_SHAPE", "")
_log = logging.getLogger("raybid")


def _thinking(seconds: float) -> Callable[[Any], float]:
    """So long on average between two calls, as people and exchanges call that do not know of each other.

    At even intervals all users that were started together would go on to call in the same moments, and what is measured
    be how long a queue of all of them takes.
    """
    return lambda _: random.expovariate(1.0 / seconds)


class RTBUser(FastHttpUser):
    """An exchange's connection, and now and then somebody who looks after campaigns: about two calls a second."""

    wait_time = _thinking(0.5)
    network_timeout = 10.0
    connection_timeout = 10.0

    def on_start(self) -> None:
        """Give each user traffic of its own, and the key."""
        self.traffic = Traffic(seed=id(self) % 2**31)
        self.key = {"X-API-Key": os.environ["RAYBID_KEY"]} if os.environ.get("RAYBID_KEY") else {}

    @tag("bid")
    @task(10)
    def bid(self) -> None:
        """One OpenRTB request: 200 with bids, or 204."""
        body: Any = self.traffic.openrtb()  # bytes: Locust's hints know of text only
        with self.client.post("/openrtb2/bid", data=body, headers=self.key, name="bid", catch_response=True) as answer:
            if answer.status_code == 204:
                answer.success()
            elif answer.status_code != 200:
                answer.failure(f"{answer.status_code} instead of 200 or 204")
            elif not answer.json().get("seatbid"):
                answer.failure("200 without a bid")

    @tag("batch")
    @task(3)
    def batch(self) -> None:
        """Slots at once: as many answers as slots."""
        headers = {"Content-Type": "application/json", **self.key}
        body: Any = self.traffic.batch()
        with self.client.post("/bid/batch", data=body, headers=headers, name="batch", catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"{answer.status_code} instead of 200")
            elif len(answer.json()["results"]) != SLOTS:
                answer.failure(f"{len(answer.json()['results'])} answers to {SLOTS} slots")

    @tag("campaign")
    @task(1)
    def campaign(self) -> None:
        """Ask for a page of campaigns with their money."""
        self._get("/campaigns?limit=20", "campaign")

    @tag("stats")
    @task(1)
    def stats(self) -> None:
        """Figures of everything."""
        self._get("/stats", "stats")

    @tag("health")
    @task(1)
    def health(self) -> None:
        """Ask what a probe asks."""
        self._get("/health", "health")

    def _get(self, path: str, name: str) -> None:
        with self.client.get(path, headers=self.key, name=name, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"{answer.status_code} instead of 200")


class HighLoadUser(RTBUser):
    """The same, ten times as often."""

    wait_time = _thinking(0.05)


class StepLoadShape(LoadTestShape):
    """More users step by step: finds the rate from which the SLA does not hold (`LOAD_SHAPE=step`)."""

    abstract = _SHAPE != "step"
    step_users = int(os.environ.get("LOAD_STEP_USERS", "20"))
    step_seconds = float(os.environ.get("LOAD_STEP_SECONDS", "15"))
    steps = int(os.environ.get("LOAD_STEPS", "4"))

    def tick(self) -> tuple[int, float] | None:
        """Users and how many of them to start a second; none when it is over."""
        step = int(self.get_run_time() // self.step_seconds)
        return None if step >= self.steps else ((step + 1) * self.step_users, float(self.step_users))


class SpikeLoadShape(LoadTestShape):
    """Few users, five times as many for a moment, few again (`LOAD_SHAPE=spike`)."""

    abstract = _SHAPE != "spike"
    users = int(os.environ.get("LOAD_USERS", "20"))
    seconds = float(os.environ.get("LOAD_SECONDS", "60"))

    def tick(self) -> tuple[int, float] | None:
        """Users and how many of them to start a second; none when it is over."""
        part = self.get_run_time() / self.seconds
        if part >= 1:
            return None
        return (5 * self.users if 0.4 <= part < 0.6 else self.users), 5.0 * self.users


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    parser.add_argument("--sla-ms", type=float, default=100.0, env_var="SLA_MS", help="99th percentile allowed")
    parser.add_argument("--verdict", default="", env_var="LOAD_VERDICT", help="file for the verdict as JSON")


@events.quitting.add_listener
def _judge(environment: Environment, **_: Any) -> None:
    """Say what it came to; the exit code is 1 where it is not as it should be. Workers leave that to their master."""
    if isinstance(environment.runner, WorkerRunner):
        return
    options: Any = environment.parsed_options
    told = verdict(environment.stats, options.sla_ms)
    environment.process_exit_code = 0 if told["passed"] else 1
    text = json.dumps(told)
    if options.verdict:
        Path(options.verdict).write_text(text)
    _log.info(text)
