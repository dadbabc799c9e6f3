"""Caches bounded in bytes: a bound on entries bounds nothing where a key may be a whole page."""

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
"""Overhead of an entry besides key and value: its slot in the dictionary, its link in the order, its size."""

_PARTS = 8  # a value larger than this part of the bound is not cached


class BoundedCache(Generic[Value]):
    """A cache of at most so many bytes; the oldest entries are evicted first. Safe to use from threads.

    Args:
        name: name of the cache, for people.
        most_bytes: most bytes of keys and values, with everything inside them.
        size: function that returns the bytes of a key or a value; none: `size_of`, which looks at every part.

    Attributes:
        bytes: bytes held now.
        hits: lookups answered from the cache.
        misses: lookups that were computed.
    """

    every: ClassVar[WeakSet[BoundedCache[Any]]] = WeakSet()
    """Every cache of this process: together they bound what callers can make it keep."""

    def __init__(self, name: str, most_bytes: int, size: Callable[[Any], int] | None = None) -> None:
        self._lock = threading.Lock()
        self._size = size or size_of
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self.name, self.most_bytes = name, most_bytes
        self.bytes = self.hits = self.misses = 0
        self.every.add(self)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, make: Callable[..., Value], key: tuple[Any, ...]) -> Value:
        """Return `make(*key)`, from the cache where it has it. The value is shared: never change it."""
        known = self._kept.get(key)
        if known is not None:
            self.hits += 1
            return known[0]
        return self._made(make, key)

    def _made(self, make: Callable[..., Value], key: tuple[Any, ...]) -> Value:
        self.misses += 1
        value = make(*key)
        self._keep(key, value)
        return value

    def _keep(self, key: Hashable, value: Value) -> None:
        size = _ENTRY_BYTES + self._size(key) + self._size(value)
        if size * _PARTS > self.most_bytes:
            return
        with self._lock:
            if key in self._kept:  # another thread computed it meanwhile
                return
            while self.bytes + size > self.most_bytes:
                self.bytes -= self._kept.popitem(last=False)[1][1]
            self._kept[key] = value, size
            self.bytes += size


class MemoizedFunction(BoundedCache[Value]):
    """A function whose results are cached: see `BoundedCache`.

    Args:
        make: the function.
        name: name of the cache.
        most_bytes: most bytes it holds.
    """

    def __init__(self, make: Callable[..., Value], name: str, most_bytes: int) -> None:
        super().__init__(name, most_bytes)
        self._make = make

    def __call__(self, *key: Hashable) -> Value:
        """Return the function's result."""
        known = self._kept.get(key)  # as `get` does, which a call would double the time of
        if known is not None:
            self.hits += 1
            return known[0]
        return self._made(self._make, key)


def memoized(name: str, most_bytes: int) -> Callable[[Callable[..., Value]], MemoizedFunction[Value]]:
    """Cache the results of the decorated function: see `MemoizedFunction`."""
    return lambda make: MemoizedFunction(make, name, most_bytes)


def size_of(thing: Any) -> int:
    """Return the bytes of an object and of everything in it; what is in it twice counts twice."""
    size = sys.getsizeof(thing)
    if isinstance(thing, tuple | list | frozenset):
        return size + sum(map(size_of, thing))
    if isinstance(thing, msgspec.Struct):
        return size + sum(size_of(getattr(thing, name)) for name in thing.__struct_fields__)
    return max(size, thing.nbytes) if isinstance(thing, np.ndarray) else size
