"""What the checks of a whole platform call a fault; they themselves run by `make proxy-check` and `make gcs-check`."""

from __future__ import annotations

from typing import Any

import pytest

from verification import gcs_failover, proxy_check

TRADED: dict[str, Any] = {
    "bids": 90,
    "spend_micros": 5,
    "ledger_spend_micros": 5,
    "status_codes": {"200": 90, "204": 10},
    "errors": 0,
    "errors_by_kind": {},
    "invalid_responses": 0,
    "violations": {},
    "hidden": {"/metrics": 404},
    "nginx_said": 0,
}
SURVIVED: dict[str, Any] = {"recovered_s": 10.0, "served_during": 600, "errors": 3, "state_back": True, "state": {}}


def test_a_good_trade_through_the_proxy_has_no_fault() -> None:
    assert proxy_check.faults(TRADED) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bids": 0}, "no bid came"),
        ({"spend_micros": 0, "ledger_spend_micros": 0}, "no notice charged anything"),
        ({"ledger_spend_micros": 6}, "disagree on the spend"),
        ({"status_codes": {"200": 1, "502": 1}}, "'502': 1"),
        ({"errors": 1, "errors_by_kind": {"timeout": 1}}, "timeout"),
        ({"invalid_responses": 1}, "violations of the protocol"),
        ({"hidden": {"/metrics": 200, "/stats": 404}}, "not hidden: /metrics"),
        ({"nginx_said": 1}, "nginx logged"),
    ],
)
def test_each_fault_of_the_proxy_is_told(change: dict[str, Any], told: str) -> None:
    (fault,) = proxy_check.faults(TRADED | change)
    assert told in fault


def test_a_head_that_came_back_has_no_fault() -> None:
    assert gcs_failover.faults(SURVIVED, rate=60.0) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"recovered_s": None}, "did not come back"),
        ({"served_during": 300}, "serving stopped"),
        ({"errors": 33}, "more requests failed"),
        ({"state_back": False, "state": {"update": False}}, "'update': False"),
    ],
)
def test_each_fault_of_the_failover_is_told(change: dict[str, Any], told: str) -> None:
    (fault,) = gcs_failover.faults(SURVIVED | change, rate=60.0)
    assert told in fault
