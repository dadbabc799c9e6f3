"""Memory of answers with a bound in bytes: to count entries bounds nothing where a key may be a page."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, ClassVar, Generic, TypeVar
from weakref import WeakSet

import msgspec
import numpy as np

Value = TypeVar("Value")

_ENTRY_BYTES = 320
"""What an entry takes besides key and answer: its place in the dictionary, its link in the order, its size."""

_PARTS = 8  # an answer that takes more than one in so many of the bytes is not kept


class Bounded(Generic[Value]):
    """Answers by key, as many as fit into some bytes; the oldest make room. Safe to use from threads.

    Args:
        name: of what is kept, for people.
        most_bytes: of keys and answers, all that is in them counted.

    Attributes:
        bytes: of what is kept now.
        hits: answers that were known.
        misses: answers that were worked out.
    """

    every: ClassVar[WeakSet[Bounded[Any]]] = WeakSet()
    """All there are in this process: what they may hold together is what callers can make it keep."""

    def __init__(self, name: str, most_bytes: int) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self.name, self.most_bytes = name, most_bytes
        self.bytes = self.hits = self.misses = 0
        self.every.add(self)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, make: Callable[..., Value], key: tuple[Any, ...]) -> Value:
        """`make(*key)`, worked out where it is not known. Nobody changes it."""
        known = self._kept.get(key)
        if known is not None:
            self.hits += 1
            return known[0]
        self.misses += 1
        value = make(*key)
        self._keep(key, value)
        return value

    def _keep(self, key: Hashable, value: Value) -> None:
        size = _ENTRY_BYTES + size_of(key) + size_of(value)
        if size * _PARTS > self.most_bytes:
            return
        with self._lock:
            if key in self._kept:  # another thread asked for the same
                return
            while self.bytes + size > self.most_bytes:
                self.bytes -= self._kept.popitem(last=False)[1][1]
            self._kept[key] = value, size
            self.bytes += size


class Remembered(Bounded[Value]):
    """A function whose answers are kept: see `Bounded`.

    Args:
        make: the function.
        name: see there.
        most_bytes: see there.
    """

    def __init__(self, make: Callable[..., Value], name: str, most_bytes: int) -> None:
        super().__init__(name, most_bytes)
        self._make = make

    def __call__(self, *key: Hashable) -> Value:
        """What the function answers."""
        return self.get(self._make, key)


def remembered(name: str, most_bytes: int) -> Callable[[Callable[..., Value]], Remembered[Value]]:
    """Keep the answers of the function that is decorated: see `Remembered`."""
    return lambda make: Remembered(make, name, most_bytes)


def size_of(thing: Any) -> int:
    """Bytes of an object and of all that is in it; what is in it twice counts twice."""
    size = sys.getsizeof(thing)
    if isinstance(thing, tuple | list | frozenset):
        return size + sum(map(size_of, thing))
    if isinstance(thing, msgspec.Struct):
        return size + sum(size_of(getattr(thing, name)) for name in thing.__struct_fields__)
    return max(size, thing.nbytes) if isinstance(thing, np.ndarray) else size
