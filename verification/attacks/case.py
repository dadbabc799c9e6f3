"""One attack: what is tried, and which finding of the audit it represents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verification.attacks.target import AttackedPlatform

Act = Callable[["AttackedPlatform"], str]
"""A function that tries an attack; it returns an empty text if the platform held, else what came back."""


class Finding(StrEnum):
    """The findings of the audit."""

    RAY = "Ray is open"
    ANONYMOUS = "anonymous money"
    COLLISIONS = "collisions"
    MEMORY = "memory"
    LEARNING = "learned from anyone"
    PRICES = "prices of anyone"
    ROLLBACK = "a ledger rolled back"
    SLOW = "slow callers"
    HELD = "money held"
    UNWON = "never won"
    LIMITS = "rate limits"
    PRIVACY = "personal data"
    TOKENS = "tokens"
    LOGS = "forged logs"
    EXPORTS = "formulas in exports"
    FILES = "files and sockets"
    CONSOLE = "the console"
    LEAKS = "leaks"
    KEYS = "keys and scopes"
    PUBLISH = "publish"
    INPUT = "bad input"
    SWITCH = "the kill switch"
    EVICTION = "an evicting server"
    START = "unsafe settings"
    EVENTS = "unseen attacks"


@dataclass(frozen=True, slots=True)
class Attack:
    """One case.

    Attributes:
        finding: finding it represents.
        name: description of the attack.
        act: function that tries it.
        disturbs: whether it breaks parts of the platform by means that no attacker has (a killed server, a full disk);
            honest callers are not timed meanwhile.
    """

    finding: Finding
    name: str
    act: Act
    disturbs: bool = False


class Attacks:
    """The attacks of one file, in order."""

    def __init__(self) -> None:
        self._attacks: list[Attack] = []

    def __iter__(self) -> Iterator[Attack]:
        return iter(self._attacks)

    def __call__(self, finding: Finding, name: str, *, disturbs: bool = False) -> Callable[[Act], Act]:
        """Return a decorator that adds a function as an attack."""

        def added(act: Act) -> Act:
            self.add(finding, name, act, disturbs=disturbs)
            return act

        return added

    def add(self, finding: Finding, name: str, act: Act, *, disturbs: bool = False) -> None:
        """Add an attack."""
        self._attacks.append(Attack(finding, name, act, disturbs))
