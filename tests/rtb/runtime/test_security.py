"""Security events are all counted, and logged within bounds; a line of the log stays one line."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rtb.runtime.security import EVENTS, SecurityLog
from rtb.runtime.text import visible


def test_a_flood_is_counted_whole_and_logged_in_part() -> None:
    counted: Counter[str] = Counter()
    lines: list[str] = []
    now = [10.0]
    log = SecurityLog(lambda name: counted.update([name]), lines.append, lambda: now[0])
    for _ in range(1_000):
        log.note("key_unknown", "192.0.2.7")
    log.note("key_revoked", "192.0.2.7 key abc")
    assert counted == {"security.key_unknown": 1_000, "security.key_revoked": 1}
    assert len(lines) == 6
    now[0] = 11.0
    log.note("key_unknown", "192.0.2.8", "/bid")
    assert lines[-1] == "security key_unknown by 192.0.2.8: /bid"


@given(st.text(max_size=300), st.text(max_size=300), st.sampled_from(EVENTS))
def test_nobody_writes_a_line_of_their_own(actor: str, detail: str, event: str) -> None:
    lines: list[str] = []
    SecurityLog(lambda _: None, lines.append).note(event, actor, detail)  # type: ignore[arg-type]
    (line,) = lines
    assert len(line.splitlines()) == 1
    assert visible(line) == line
    assert line.startswith(f"security {event} by ")
    assert len(line) < 4_000


@given(st.text(max_size=100))
def test_what_is_seen_stays_as_it_is(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert visible(shown) == shown
    if text.isprintable():
        assert shown == text


def test_signs_that_turn_or_end_a_line_are_escaped() -> None:
    assert visible("a\nb\x1b[31m\u202ec\u2028") == "a\\nb\\x1b[31m\\u202ec\\u2028"
