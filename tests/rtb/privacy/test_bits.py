"""Lists of ids in consent strings: what cannot be meant makes them unreadable."""

from __future__ import annotations

import pytest

from rtb.privacy.bits import Bits, UnreadableConsent
from tests.rtb.privacy import strings


def _ranges(*ranges: tuple[int, int]) -> Bits:
    return Bits(strings.base64(f"{len(ranges):012b}" + "".join(f"1{first:016b}{last:016b}" for first, last in ranges)))


def test_ranges_are_read_as_they_are_written() -> None:
    found = _ranges((3, 3), (7, 9)).ranges()
    assert [*found.ids()] == [3, 7, 8, 9]
    assert (found.has(8), found.has(6)) == (True, False)


@pytest.mark.parametrize("bad", [(0, 0), (0, 4), (9, 7)])
def test_a_range_without_ids_or_with_nobody_is_unreadable(bad: tuple[int, int]) -> None:
    with pytest.raises(UnreadableConsent, match="no range of ids"):
        _ranges((3, 3), bad).ranges()
