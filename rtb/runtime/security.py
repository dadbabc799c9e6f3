"""Security events: who was refused what, and who changed what; each is counted, and logged within bounds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Literal, get_args

from rtb.runtime.text import visible

Event = Literal[
    "key_missing",
    "key_unknown",
    "key_revoked",
    "key_guessing",
    "scope_missing",
    "notice_forged",
    "notice_above_bid",
    "notice_foreign",
    "sync_foreign",
    "key_created",
    "key_deleted",
    "campaign_changed",
    "portfolio_changed",
    "model_changed",
]
"""Missing, unknown and revoked keys are 401, too many of them from one address `key_guessing` (429); a key without the
scope is 403; `notice_foreign` came from a network that is not its exchange's; `sync_foreign` asked a user sync to
redirect to a host that is not its exchange's; the last ones are changes."""

EVENTS: tuple[Event, ...] = get_args(Event)

_LINES_A_SECOND = 5


class SecurityLog:
    """A counter and log of security events: every event counts, at most a few a second of each kind are logged.

    Args:
        count: function that adds 1 to a counter by its name.
        write: function that writes a line of the log.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        count: Callable[[str], object],
        write: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._write = write
        self._clock = clock
        self._second = 0
        self._lines: Counter[Event] = Counter()

    def note(self, event: Event, actor: str, detail: str = "") -> None:
        """Count an event, and log it unless too many of its kind were logged in this second.

        Args:
            event: what happened.
            actor: id of a key, address, or both. Never a secret.
            detail: what the event was about.
        """
        self._count(f"security.{event}")
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, Counter()
        self._lines[event] += 1
        if self._lines[event] <= _LINES_A_SECOND:
            told = f": {visible(detail, 200)}" if detail else ""
            self._write(f"security {event} by {visible(actor, 100)}{told}")
