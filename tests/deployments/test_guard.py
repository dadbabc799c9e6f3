"""Limits by address: wrong keys, calls without a key, within bounded memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from deployments.guard import GUESSES_A_MINUTE, REFUSALS_A_MINUTE, AccessGuard, AddressLimit
from rtb.runtime.settings import Settings


def scope(address: str) -> dict[str, Any]:
    return {"client": (address, 1), "headers": [], "path": "/bid"}


def guard(folder: Path, counted: list[str] | None = None) -> AccessGuard:
    names = [] if counted is None else counted
    return AccessGuard(Settings(var_dir=folder), names.append, lambda line: None)


def test_an_address_has_so_many_calls_a_minute_and_others_have_theirs() -> None:
    now = [0.0]
    limit = AddressLimit(3, clock=lambda: now[0])
    assert [limit.add("a") for _ in range(5)] == [True, True, True, False, False]
    assert limit.is_over("a")
    assert limit.add("b")
    assert not limit.is_over("b")
    assert 1 <= limit.wait("a") <= 60
    now[0] = 60.0
    assert not limit.is_over("a")
    assert limit.add("a")


def test_a_flood_of_addresses_holds_bounded_memory() -> None:
    limit = AddressLimit(3, most=100)
    for number in range(10_000):
        limit.add(str(number))
    assert len(limit) == 100


def test_who_guesses_is_locked_out_and_others_are_not(tmp_path: Path) -> None:
    counted: list[str] = []
    found = guard(tmp_path, counted)
    assert all(found.wrong_key(scope("192.0.2.7")) for _ in range(GUESSES_A_MINUTE))
    assert not found.wrong_key(scope("192.0.2.7"))
    assert found.is_locked(scope("192.0.2.7"))
    assert not found.is_locked(scope("192.0.2.8"))
    assert counted == ["security.key_unknown"] * GUESSES_A_MINUTE + ["security.key_guessing"]


def test_an_ipv6_customer_is_one_address(tmp_path: Path) -> None:
    found = guard(tmp_path)
    for number in range(GUESSES_A_MINUTE + 1):
        found.wrong_key(scope(f"2001:db8::{number:x}"))
    assert found.is_locked(scope("2001:db8::ffff"))
    assert not found.is_locked(scope("2001:db8:0:1::1"))


@pytest.mark.parametrize("shared", ["127.0.0.1", "::1", "no address"])
def test_a_proxy_that_does_not_tell_for_whom_is_never_locked_out(tmp_path: Path, shared: str) -> None:
    found = guard(tmp_path)
    for _ in range(GUESSES_A_MINUTE):
        found.wrong_key(scope(shared))
    assert not found.wrong_key(scope(shared))  # the wrong keys are refused all the same
    assert not found.is_locked(scope(shared))


def test_who_is_refused_often_is_refused_late_and_others_at_once(tmp_path: Path) -> None:
    found = guard(tmp_path)

    async def refused(address: str, times: int) -> int:
        """How many of these refusals are late."""
        calls = [asyncio.ensure_future(found.slow_down(scope(address))) for _ in range(times)]
        await asyncio.sleep(0)
        late = sum(not call.done() for call in calls)
        await asyncio.gather(*calls)
        return late

    async def flood() -> tuple[int, int, int]:
        first = await refused("192.0.2.7", REFUSALS_A_MINUTE + 5)
        return first, await refused("192.0.2.8", 5), await refused("192.0.2.7", 1_000)

    first, others, many = asyncio.run(flood())
    assert (first, others) == (5, 0)
    assert 0 < many < 1_000, "late answers hold memory: there is a most"
