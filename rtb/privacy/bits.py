"""Reading of bit strings in web-safe base64, of which the consent strings of IAB consist."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator
from typing import NamedTuple

_CHARACTER_BITS = 6
_WEB_SAFE = str.maketrans("-_", "+/")

_MOST_FIBONACCI_BITS = 32
"""More than any section, purpose or vendor id needs; without a bound a number may have a hundred thousand digits."""


class UnreadableConsent(ValueError):
    """A consent string that cannot be decoded."""


class Bits:
    """A cursor over the bits of a string in web-safe base64, 6 bits a character.

    Args:
        text: the string.

    Attributes:
        at: index of the next bit.
        length: number of bits.

    Raises:
        UnreadableConsent: the string is not base64.
    """

    __slots__ = ("_blob", "at", "length")

    def __init__(self, text: str) -> None:
        text = text.rstrip("=")
        try:
            blob = binascii.a2b_base64(text.translate(_WEB_SAFE) + "A" * (-len(text) % 4), strict_mode=True)
        except ValueError as error:  # binascii.Error and characters that are not ASCII
            raise UnreadableConsent("not web-safe base64") from error
        self._blob = blob
        self.length = _CHARACTER_BITS * len(text)
        self.at = 0

    def fork(self) -> Bits:
        """Return a cursor of its own at the same place."""
        other = object.__new__(Bits)
        other._blob, other.length, other.at = self._blob, self.length, self.at
        return other

    def take(self, count: int) -> int:
        """Return the number in the next `count` bits, most significant first."""
        start, end = self.at, self.at + count
        if end > self.length:
            raise UnreadableConsent(f"it ends before bit {end}")
        self.at = end
        window = int.from_bytes(self._blob[start >> 3 : (end + 7) >> 3], "big")
        return window >> (-end % 8) & ((1 << count) - 1)

    def flags(self, count: int) -> IdSet:
        """Return the numbers, from 1, of the bits set among the next `count`."""
        return IdSet(self.take(count), count)

    def optimized(self, ranges: Callable[[Bits], IdSet], *, is_exact: bool = False) -> IdSet:
        """Return ids written as a bit field or as ranges, whichever is shorter.

        Args:
            ranges: reader of the ranges.
            is_exact: whether the highest id, which stands before them, must be among them.

        Raises:
            UnreadableConsent: the string ends, or the highest id is another.
        """
        highest = self.take(16)
        if not self.take(1):
            return self.flags(highest)
        found = ranges(self)
        if is_exact and highest != max((last for _, last in found.ranges), default=0):
            raise UnreadableConsent(f"its highest id is not {highest}")
        return found

    def ranges(self) -> IdSet:
        """Return a list of single ids and ranges of ids, in numbers of 16 bits.

        Raises:
            UnreadableConsent: the string ends, an id is 0, or a range ends before it begins.
        """
        found = []
        for _ in range(self.take(12)):
            is_range = self.take(1)
            first = self.take(16)
            last = self.take(16) if is_range else first
            if not 0 < first <= last:
                raise UnreadableConsent(f"{first} to {last} is no range of ids")
            found.append((first, last))
        return IdSet(ranges=tuple(found))

    def fibonacci(self) -> int:
        """Return a number in Fibonacci coding, which ends with two bits set."""
        value, before, after, last = 0, 1, 1, 0
        for _ in range(_MOST_FIBONACCI_BITS):
            bit = self.take(1)
            if bit and last:
                return value
            before, after = after, before + after
            value += before if bit else 0
            last = bit
        raise UnreadableConsent("a number in Fibonacci coding does not end")

    def fibonacci_ranges(self) -> IdSet:
        """Return a list of single ids and ranges of ids, each number as its distance from the one before it."""
        found = []
        last = 0
        for _ in range(self.take(12)):
            is_range = self.take(1)
            first = last + self.fibonacci()
            last = first + self.fibonacci() if is_range else first
            found.append((first, last))
        return IdSet(ranges=tuple(found))

    def is_padding(self) -> bool:
        """Return whether all bits left are 0 and fill up a few characters at most."""
        left = self.length - self.at
        return left < 4 * _CHARACTER_BITS and not self.take(left)


class IdSet(NamedTuple):
    """A set of ids from 1 up, as it is written: a bit field, or ranges of ids.

    Attributes:
        field: bits of the ids 1 to `length`, the first most significant.
        length: number of bits.
        ranges: first and last id of each range.
    """

    field: int = 0
    length: int = 0
    ranges: tuple[tuple[int, int], ...] = ()

    def has(self, number: int) -> bool:
        """Return whether an id is in the set."""
        if 1 <= number <= self.length and self.field >> (self.length - number) & 1:
            return True
        return any(first <= number <= last for first, last in self.ranges)

    def ids(self) -> Iterator[int]:
        """Yield the ids as they are written."""
        yield from (number for number in range(1, self.length + 1) if self.field >> (self.length - number) & 1)
        for first, last in self.ranges:
            yield from range(first, last + 1)
