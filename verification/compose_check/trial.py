"""The stack up, traded with, restarted service by service, down and up again: what runs inside the namespaces."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from raybid.local import LaunchError
from rtb.runtime import calls
from simulation import exchange, reference
from verification.compose_check import plan
from verification.compose_check.stack import Stack

_URL = "https://localhost"
_CONSOLE = "http://127.0.0.1:8501"
_RATE = 40.0
_TRADE_SECONDS = 3.0
_PATIENCE_SECONDS = 120.0
_REDIS_KEYS = "REDISCLI_AUTH=$(cut -d' ' -f2 /run/secrets/redis_auth) redis-cli dbsize"
_SETTLE_SECONDS = 5.0
"""Pacing and leases."""


class Trial:
    """One run of the check.

    Args:
        stack: services to run.
        secrets: folder of the secrets that `cluster/secrets.sh` created.
        report: figures to fill in.
    """

    def __init__(self, stack: Stack, secrets: Path, report: plan.ComposeReport) -> None:
        self._stack = stack
        self._secrets = secrets
        self._report = report
        self._options = exchange.ReplayOptions()
        self._spend_micros = 0

    def run(self) -> None:
        """Carry out all of it.

        Raises:
            LaunchError: it cannot go on.
            httpx.HTTPError: nginx or the console does not answer.
        """
        self._report.healthy = self._stack.up()
        self._register()
        self._trade()
        self._look()
        for name in self._stack.lasting:
            self._stack.restart(name)
            self._trade()
            self._report.restarts_survived += 1
        before = plan.money(self._stats())
        self._stack.down()
        self._report.healthy = min(self._report.healthy, self._stack.up())
        after = plan.money(self._stats())
        self._trade()
        spent = plan.spent(plan.money(self._stats()))
        self._report.spend_equal = before == after and 0 < plan.spent(before) < spent == self._spend_micros

    def _register(self) -> None:
        """Create campaigns through nginx, and an exchange's key from inside, as docs/compose.md says."""
        ca = self._secrets / "ca_cert"
        with calls.client(_URL, verify=ssl.create_default_context(cafile=str(ca)), timeout=10) as client:
            for campaign in reference.campaigns():
                answer = client.post(
                    "/campaign/create", content=msgspec.json.encode(campaign), headers={"X-API-Key": self._admin}
                )
                if answer.status_code != 201:
                    raise LaunchError(f"campaign {campaign.id} was refused: {answer.status_code} {answer.text[:200]}")
        wanted = '--post-data={"name": "check", "scopes": ["exchange"]}'
        made = self._ask_head("/admin/keys", wanted, "--header=Content-Type: application/json")
        self._options = exchange.ReplayOptions(
            url=_URL, key=msgspec.json.decode(made)["key"], ca=ca, rate=_RATE, duration=_TRADE_SECONDS
        )
        time.sleep(_SETTLE_SECONDS)

    def _trade(self) -> None:
        """Trade through nginx until bids came.

        Raises:
            LaunchError: none came in time.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        bids = 0
        while not bids:
            if time.monotonic() > deadline:
                raise LaunchError(f"no bid came through nginx for {_PATIENCE_SECONDS:.0f} s")
            try:
                figures = uvloop.run(exchange.run(self._options))
            except exchange.Unreachable:
                time.sleep(1.0)
                continue
            bids = figures.bids
            self._spend_micros += figures.spend_micros
        self._report.bids += bids

    def _look(self) -> None:
        """Look at the services that no bid passes."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while down := plan.targets_down(self._prometheus("/api/v1/targets")):
            if time.monotonic() > deadline:
                self._report.faults.append(f"Prometheus scrapes without success: {'; '.join(down)}")
                break
            time.sleep(1.0)
        token = (self._secrets / "raybid_console_token").read_text().strip()
        page = calls.get(f"{_CONSOLE}/", params={"token": token}, timeout=10, follow_redirects=True)
        if not page.is_success:
            self._report.faults.append(f"the console answers {page.status_code}")
        rows = self._stack.inside("postgres", "psql", "-U", "raybid", "-tAc", "SELECT count(*) FROM campaigns")
        if int(rows) != len(reference.campaigns()):
            self._report.faults.append(f"PostgreSQL has {rows.strip()} campaigns of {len(reference.campaigns())}")
        if not int(self._stack.inside("redis", "sh", "-c", _REDIS_KEYS).split()[-1]):
            self._report.faults.append("Redis has no keys: nobody keeps money there")

    def _stats(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self._ask_head("/stats"))
        return found

    def _prometheus(self, path: str) -> str:
        return self._stack.inside("prometheus", "wget", "-qO-", f"http://127.0.0.1:9090{path}")

    def _ask_head(self, path: str, *options: str) -> str:
        """Return an answer of the REST interface to the administrator, asked from inside."""
        return self._stack.inside(
            "head", "wget", "-qO-", f"--header=X-API-Key: {self._admin}", *options, f"http://head:8000{path}"
        )

    @property
    def _admin(self) -> str:
        return (self._secrets / "raybid_admin_key").read_text().strip()
