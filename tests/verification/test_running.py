"""The check of the platform can fail: an attack that succeeds, a caller who waits, a listener, memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import psutil
import pytest

from raybid.local.listeners import Listener
from verification.attacks import measure
from verification.attacks.case import Attack, Finding
from verification.attacks.honest import HonestRequest
from verification.attacks.not_tried import NotTried
from verification.attacks.running import AttackReport, AttackRun, AttackVerdict
from verification.attacks.target import AttackedPlatform


class Platform:
    """Nothing but this process, that listens where it is told to."""

    def __init__(self, *hosts: str) -> None:
        self._hosts = hosts

    def listeners(self) -> list[Listener]:
        return [Listener("one", "tcp", host, 1) for host in self._hosts]

    def processes(self) -> list[psutil.Process]:
        return []

    def is_ready(self) -> bool:
        return True


class Callers:
    """Honest ones whose answers take so long, one time after the other; the first time is the quiet one."""

    def __init__(self, *times: Sequence[HonestRequest]) -> None:
        self._times = list(times)

    def between(self, begin: float, end: float) -> list[HonestRequest]:
        del begin, end
        return list(self._times.pop(0) if len(self._times) > 1 else self._times[0])


def samples(ms: float, status: int = 200) -> list[HonestRequest]:
    return [HonestRequest(0.0, ms, status)] * 100


def attack(act: Callable[[AttackedPlatform], str], *, disturbs: bool = False) -> Attack:
    return Attack(Finding.KEYS, "planted", act, disturbs)


def attacked(*attacks: Attack, callers: Callers | None = None, platform: Platform | None = None) -> AttackReport:
    target = cast(AttackedPlatform, platform or Platform("127.0.0.1"))
    run = AttackRun(target, callers or Callers(samples(5.0)), lambda _: None, quiet_seconds=0.0, window_seconds=0.0)
    return run.all(attacks)


def held(_: AttackedPlatform) -> str:
    return ""


def succeeded(_: AttackedPlatform) -> str:
    return "the key was shown"


def broken(_: AttackedPlatform) -> str:
    raise RuntimeError("no bid to attack")


def untried(_: AttackedPlatform) -> str:
    raise NotTried("that needs root")


def test_attacks_that_hold_are_no_fault() -> None:
    report = attacked(attack(held))
    assert report.faults(least=1) == []
    wanted = {"attacks": 1, "succeeded": 0, "listeners_beyond_loopback": 0, "worst_stall_ms": 0.0}
    assert {name: report.summary()[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("act", "verdict", "fault"),
    [(succeeded, AttackVerdict.SUCCEEDED, "1 attacks succeeded"), (broken, AttackVerdict.BROKEN, "1 cases are broken")],
)
def test_an_attack_that_succeeds_or_proves_nothing_is_a_fault(
    act: Callable[[AttackedPlatform], str], verdict: AttackVerdict, fault: str
) -> None:
    report = attacked(attack(held), attack(act), attack(held))
    assert [one.verdict for one in report.results] == [AttackVerdict.HELD, verdict, AttackVerdict.HELD]
    assert any(fault in one for one in report.faults(least=1))


def test_what_came_back_is_told() -> None:
    (result,) = attacked(attack(succeeded)).results
    assert "the key was shown" in result.line


def test_one_that_cannot_be_tried_does_not_count_as_tried() -> None:
    report = attacked(attack(untried))
    assert report.summary()["attacks"] == 0
    assert report.summary()["not_tried"] == 1
    assert "only 0 attacks were tried" in report.faults(least=1)


def test_honest_callers_who_wait_are_a_fault() -> None:
    report = attacked(attack(held), callers=Callers(samples(5.0), samples(205.0)))
    assert report.summary()["worst_stall_ms"] == 200.0
    assert any("waited" in one for one in report.faults(least=1))


def test_a_stall_that_does_not_come_again_was_the_machine() -> None:
    report = attacked(attack(held), callers=Callers(samples(5.0), samples(205.0), samples(205.0), samples(10.0)))
    assert report.summary()["worst_stall_ms"] == 5.0


def test_an_attack_that_succeeds_once_is_not_forgiven_when_it_is_tried_again() -> None:
    evidence = iter(["", "at the second time"])
    report = attacked(attack(lambda _: next(evidence)), callers=Callers(samples(5.0), samples(205.0)))
    assert report.summary()["succeeded"] == 1


@pytest.mark.parametrize("bad", [samples(1.0, 0), samples(1.0, 500), []])
def test_honest_callers_without_answers_are_a_success_of_the_attack(bad: list[HonestRequest]) -> None:
    report = attacked(attack(held), callers=Callers(samples(5.0), bad))
    assert report.summary()["succeeded"] == 1


def test_nobody_is_timed_while_parts_are_broken_on_purpose() -> None:
    report = attacked(attack(held, disturbs=True), callers=Callers(samples(5.0), samples(900.0, 500)))
    assert report.faults(least=1) == []


def test_parts_are_broken_last() -> None:
    order: list[str] = []

    def said(name: str) -> Callable[[AttackedPlatform], str]:
        def act(_: AttackedPlatform) -> str:
            order.append(name)
            return ""

        return act

    attacked(attack(said("breaks"), disturbs=True), attack(said("one")), attack(said("two")))
    assert order == ["one", "two", "breaks"]


def test_a_listener_beyond_loopback_is_a_fault() -> None:
    report = attacked(attack(held), platform=Platform("127.0.0.1", "0.0.0.0", "::1"))
    assert report.summary()["listeners_beyond_loopback"] == 1
    assert "1 listeners beyond loopback" in report.faults(least=1)


def test_memory_that_stays_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([100])
    monkeypatch.setattr(measure, "held", lambda _: {1: next(figures, 150) << 20})
    monkeypatch.setattr(measure, "_SETTLE_SECONDS", 0.0)
    report = attacked(attack(held))
    assert report.summary()["memory_growth_mb"] == 50.0
    assert "50.0 MB more in use" in report.faults(least=1)


def test_too_few_attacks_are_a_fault() -> None:
    assert attacked(attack(held)).faults() == ["only 1 attacks were tried"]


def test_an_attack_that_harms_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    ready = iter([False, False, True])
    asked: list[Any] = []

    class Harmed(Platform):
        def is_ready(self) -> bool:
            asked.append(None)
            return next(ready, True)

    attacked(attack(held), platform=Harmed())
    assert len(asked) == 3


def test_of_several_tried_together_the_one_that_harms_is_found() -> None:
    harm = Callers(samples(5.0), samples(205.0), *([samples(205.0)] * 3), samples(6.0))
    report = attacked(attack(held), attack(held), attack(held), callers=harm)
    assert [one.stall_ms for one in report.results] == [200.0, 1.0, 1.0]
