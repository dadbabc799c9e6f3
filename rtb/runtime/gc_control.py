"""The garbage collector and thousands of campaigns: it would traverse all of them repeatedly while requests wait.

A catalog's objects form no cycles and are freed by reference counting, so the collector has nothing to find there.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MANY = 500  # campaigns from which freezing is worth it


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector while many long-lived objects are created."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def freeze_if_large(campaigns: int) -> None:
    """Exclude all current objects from garbage collection where so many campaigns came that it would be slow.

    Cyclic garbage not yet collected at this moment is never freed, so a few campaigns, as an edit brings, are not
    worth it.
    """
    if campaigns >= _MANY:
        gc.freeze()
