"""Thousands of campaigns and the garbage collector: it would walk all of them again and again, while requests wait.

What a catalog is made of has no cycles and goes by its reference counts, so the collector has nothing to find there.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MANY = 500  # campaigns from which on it is worth it


@contextmanager
def undisturbed() -> Iterator[None]:
    """The collector rests while many objects are made that are going to stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def settle(campaigns: int) -> None:
    """Have the collector never look again at what there is now, where so many campaigns came that it would be slow.

    Garbage in cycles that waits to be found at this moment stays for good, so few campaigns, as an edit brings, are
    not worth it.
    """
    if campaigns >= _MANY:
        gc.freeze()
