"""The attacks, a file per subject."""

from __future__ import annotations

from verification.attacks.case import Attack
from verification.attacks.cases import (
    bodies,
    breaking,
    console,
    exports,
    files,
    keys,
    learning,
    limits,
    lists,
    logs,
    memory,
    network,
    prices,
    privacy,
    slow,
    starting,
    tokens,
    writing,
)

_FILES = (
    network,
    files,
    keys,
    tokens,
    prices,
    writing,
    lists,
    bodies,
    memory,
    slow,
    privacy,
    logs,
    learning,
    limits,
    console,
    exports,
    starting,
    breaking,
)


def every() -> list[Attack]:
    """Return all attacks, in the order in which they are tried."""
    return [attack for file in _FILES for attack in file.attacks]
