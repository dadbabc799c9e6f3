"""The procedure: try every attack, time honest callers, count memory and listeners, give a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from typing import Any, Protocol

from raybid.local.listeners import Listener
from verification.attacks import measure
from verification.attacks.bounds import LEAST_ATTACKS, MOST_GROWTH_MB, MOST_STALL_MS
from verification.attacks.case import Attack
from verification.attacks.honest import HonestRequest, p99
from verification.attacks.not_tried import NotTried
from verification.attacks.target import AttackedPlatform

_TRIES = 3
"""Repetitions of a single attack: a stall caused by it recurs, one of a busy machine does not. The minimum counts."""

_TOGETHER = 6
_MOST_UNANSWERED = 0.02
_RECOVER_SECONDS = 45.0
_REPLICAS_SECONDS = 120.0
_SHORT = 400
_NAMED = 6

Say = Callable[[str], None]


class AttackVerdict(StrEnum):
    """The result of an attack."""

    HELD = "held"
    SUCCEEDED = "SUCCEEDED"
    BROKEN = "BROKEN"
    UNTRIED = "not tried"


class TrafficWatch(Protocol):
    """An observer of honest callers: `honest.Traffic`."""

    def between(self, begin: float, end: float) -> list[HonestRequest]:
        """Return the requests of this period."""


@dataclass(frozen=True, slots=True)
class AttackResult:
    """One attack's outcome.

    Attributes:
        attack: attack that was tried.
        verdict: its result; `BROKEN` means that the case itself failed, which proves nothing.
        evidence: what came back if it succeeded.
        seconds: duration.
        stall_ms: extra latency of honest callers over the quiet run.
    """

    attack: Attack
    verdict: AttackVerdict
    evidence: str
    seconds: float
    stall_ms: float

    @property
    def line(self) -> str:
        """Description for the console."""
        told = f"{self.verdict:<9}  {self.attack.finding}: {self.attack.name}"
        figures = f"  ({self.seconds:.1f} s, stall {self.stall_ms:.0f} ms)"
        return told + figures + (f"\n           {self.evidence[:_SHORT]}" if self.evidence else "")


@dataclass
class AttackReport:
    """The results of all attacks."""

    results: list[AttackResult] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    quiet_ms: float = 0.0
    growth_mb: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return the figures."""
        tried = [one for one in self.results if one.verdict is not AttackVerdict.UNTRIED]
        return {
            "attacks": len(tried),
            "succeeded": self._count(AttackVerdict.SUCCEEDED),
            "listeners_beyond_loopback": sum(not one.is_loopback for one in self.listeners),
            "worst_stall_ms": round(max((one.stall_ms for one in tried), default=0.0), 1),
            "memory_growth_mb": round(self.growth_mb, 1),
            "broken": self._count(AttackVerdict.BROKEN),
            "not_tried": self._count(AttackVerdict.UNTRIED),
            "quiet_p99_ms": round(self.quiet_ms, 1),
        }

    def faults(self, least: int = LEAST_ATTACKS) -> list[str]:
        """Return what is wrong, a line each."""
        told = self.summary()
        checks = {
            f"{told['succeeded']} attacks succeeded": told["succeeded"],
            f"{told['broken']} cases are broken: they prove nothing": told["broken"],
            f"{told['listeners_beyond_loopback']} listeners beyond loopback": told["listeners_beyond_loopback"],
            f"honest callers waited {told['worst_stall_ms']} ms longer": told["worst_stall_ms"] > MOST_STALL_MS,
            f"{told['memory_growth_mb']} MB more in use": told["memory_growth_mb"] > MOST_GROWTH_MB,
            f"only {told['attacks']} attacks were tried": told["attacks"] < least,
        }
        return [fault for fault, is_so in checks.items() if is_so]

    def _count(self, verdict: AttackVerdict) -> int:
        return sum(one.verdict is verdict for one in self.results)


class AttackRun:
    """A run of attacks on a platform.

    Args:
        target: platform to attack.
        watch: observer of honest callers.
        say: called with progress, a line at a time.
        quiet_seconds: time to observe before the first attack: in its first minutes a new platform grows by itself.
        window_seconds: minimum time to observe during one; about a hundred requests in 2.4 s.
    """

    def __init__(
        self,
        target: AttackedPlatform,
        watch: TrafficWatch,
        say: Say,
        *,
        quiet_seconds: float = 180.0,
        window_seconds: float = 2.4,
    ) -> None:
        self._target = target
        self._watch = watch
        self._say = say
        self._quiet_seconds, self._window_seconds = quiet_seconds, window_seconds
        self._quiet_ms = 0.0

    def all(self, attacks: Iterable[Attack]) -> AttackReport:
        """Measure a quiet period, try every attack, disturbing ones last, and measure what remains."""
        self._await_replicas()
        begin = time.monotonic()
        time.sleep(self._quiet_seconds)
        self._quiet_ms = p99(self._watch.between(begin, time.monotonic()))
        self._say(f"quiet: p99 {self._quiet_ms:.1f} ms")
        report = AttackReport(listeners=self._target.listeners(), quiet_ms=self._quiet_ms)
        before = measure.held(measure.at_work(self._target.processes()))
        ordered = sorted(attacks, key=lambda one: one.disturbs)
        calm = [one for one in ordered if not one.disturbs]
        for group in self._groups(calm):
            report.results += self._together(group)
        report.growth_mb = self._growth(before)
        for one in ordered[len(calm) :]:
            report.results.append(self._act(one))
            self._say(report.results[-1].line)
            self._recover()
        return report

    def _await_replicas(self) -> None:
        """Wait until no replica is starting, so that the quiet period is quiet."""
        deadline = time.monotonic() + _REPLICAS_SECONDS
        while time.monotonic() < deadline:
            processes = self._target.processes()
            if len(measure.at_work(processes)) == len(processes):
                return
            time.sleep(1.0)

    def _groups(self, attacks: Sequence[Attack]) -> Iterator[list[Attack]]:
        """Yield attacks of one finding, a few at a time: most take milliseconds, while observation takes a second."""
        for _, same in groupby(attacks, key=lambda one: one.finding):
            left = list(same)
            while left:
                yield left[:_TOGETHER]
                left = left[_TOGETHER:]

    def _together(self, attacks: Sequence[Attack]) -> list[AttackResult]:
        """Try several, one after the other, and observe honest callers over the whole time.

        If they were harmed, each is tried again by itself, to find out which one did it.
        """
        begin = time.monotonic()
        results = [self._act(one) for one in attacks]
        stall, refused = self._cost(begin)
        if stall <= MOST_STALL_MS and not refused:
            results = [replace(one, stall_ms=stall) for one in results]
        else:
            results = [self._alone(one) for one in results]
        for one in results:
            self._say(one.line)
        self._recover()
        return results

    def _alone(self, before: AttackResult) -> AttackResult:
        """Try one again by itself; a worse result from before counts."""
        result = self._timed(before.attack)
        for _ in range(_TRIES - 1):
            if result.verdict is not AttackVerdict.HELD or result.stall_ms <= MOST_STALL_MS:
                break
            again = self._timed(before.attack)
            result = min(result, again, key=lambda one: (one.verdict is AttackVerdict.HELD, one.stall_ms))
        return result if before.verdict is AttackVerdict.HELD else replace(before, stall_ms=result.stall_ms)

    def _timed(self, attack: Attack) -> AttackResult:
        self._recover()
        self._await_replicas()
        begin = time.monotonic()
        result = self._act(attack)
        stall, refused = self._cost(begin)
        if result.verdict is AttackVerdict.HELD and refused:
            return replace(result, verdict=AttackVerdict.SUCCEEDED, evidence=refused, stall_ms=stall)
        return replace(result, stall_ms=stall)

    def _act(self, attack: Attack) -> AttackResult:
        begin = time.monotonic()
        try:
            evidence = attack.act(self._target)
            verdict = AttackVerdict.SUCCEEDED if evidence else AttackVerdict.HELD
        except NotTried as reason:
            evidence, verdict = str(reason), AttackVerdict.UNTRIED
        except Exception as error:  # a failing case proves nothing, and the others must still be tried
            evidence, verdict = f"{type(error).__name__}: {error}", AttackVerdict.BROKEN
        return AttackResult(attack, verdict, evidence, time.monotonic() - begin, 0.0)

    def _recover(self) -> None:
        """Wait until the harm of an attack is over, so that the next one meets a healthy platform."""
        deadline = time.monotonic() + _RECOVER_SECONDS
        while not self._target.is_ready() and time.monotonic() < deadline:
            time.sleep(1.0)

    def _cost(self, begin: float) -> tuple[float, str]:
        """Return the extra latency of honest callers since then, and what they were refused."""
        time.sleep(max(0.0, begin + self._window_seconds - time.monotonic()))
        samples = self._watch.between(begin, time.monotonic())
        bad = [one.status for one in samples if not one.is_good]
        refused = f"honest callers got {sorted(set(bad))}" if len(bad) > _MOST_UNANSWERED * len(samples) else ""
        if not samples:
            refused = "honest callers got no answer at all"
        return max(0.0, p99(samples) - self._quiet_ms), refused

    def _growth(self, before: measure.Held) -> float:
        """Return the growth in MB, and report whose it is."""
        grown = measure.settled(before, self._target.processes)
        for pid in sorted(grown, key=lambda pid: -grown[pid])[:_NAMED]:
            self._say(f"memory: {grown[pid]:+.1f} MB {measure.name_of(pid)}")
        return sum(grown.values())
