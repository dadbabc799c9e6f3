"""A CTRModel replica that hangs under requests: bids go on by the prior, and by the model again when it answers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from raybid.local import Platform
from rtb.models.scores import UNTRAINED
from rtb.runtime.settings import Settings
from tests.platform.test_traffic import applications, requests_of
from tests.support import until

pytestmark = pytest.mark.cluster

_CALM_SECONDS = 1.0


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process, far shorter than Serve takes to replace its replica."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_bids_go_on_by_the_prior_while_the_model_is_silent(
    platform: Platform, settings: Settings, api: httpx.Client, admin: dict[str, str]
) -> None:
    (replica,) = applications(settings)["raybid"]["deployments"]["CTRModel"]["replicas"]
    bodies = [body for body in requests_of(47, 60) if _bid(api, body)]
    assert _model_of(api, admin, _next_bid(api, bodies)) != UNTRAINED
    counted = _counter(api, admin)

    with stopped(replica["pid"]):
        began = time.monotonic()
        by_prior = _next_bid(api, bodies)
        assert time.monotonic() - began < _CALM_SECONDS
        for body in bodies[:20]:  # the breaker is open by then: nobody waits for the model
            began = time.monotonic()
            assert api.post("/openrtb2/bid", content=body).status_code in (200, 204)
            assert time.monotonic() - began < _CALM_SECONDS
        until(lambda: _health(api)["parts"]["CTRModel"]["state"] == "unavailable", 10)
        assert _health(api)["status"] == "degraded"
        assert "CTRModel" in api.get("/health/ready").json()["missing"]
        assert _counter(api, admin) > counted

    assert _model_of(api, admin, by_prior) == UNTRAINED
    until(lambda: _health(api)["parts"]["CTRModel"]["state"] == "ok", 10)
    until(lambda: _model_of(api, admin, _next_bid(api, bodies)) != UNTRAINED, 10)


def _bid(api: httpx.Client, body: bytes) -> dict[str, Any] | None:
    answer = api.post("/openrtb2/bid", content=body)
    assert answer.status_code in (200, 204)
    bid: dict[str, Any] | None = answer.json()["seatbid"][0]["bid"][0] if answer.status_code == 200 else None
    return bid


def _next_bid(api: httpx.Client, bodies: list[bytes]) -> str:
    """Return the id of the first bid on one of these requests."""
    for body in bodies:
        bid = _bid(api, body)
        if bid is not None:
            return str(bid["id"])
    pytest.fail("nothing is bid on any more")


def _model_of(api: httpx.Client, admin: dict[str, str], bid_id: str) -> str:
    """Return the version that priced a bid, which comes out again."""
    path = f"/explain/{bid_id}"
    until(lambda: api.get(path, headers=admin).is_success, 20, "the bid is not kept", every=0.2)
    told = api.get(path, headers=admin).json()
    assert told["equal"] is True
    return str(told["made_by"]["ctr_model"])


def _counter(api: httpx.Client, admin: dict[str, str]) -> int:
    return int(api.get("/stats", headers=admin).json()["counters"].get("prior_requests", 0))


def _health(api: httpx.Client) -> dict[str, Any]:
    health: dict[str, Any] = api.get("/health").json()
    return health
