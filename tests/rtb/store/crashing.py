"""A store whose process dies at a chosen call, before it took effect or after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rtb.store import Store

CHANGING = ("writing", "write", "create", "remove")


class Crash(BaseException):
    """The process is gone."""


class CrashingStore:
    """A store that counts calls down over itself and all stores below it, and raises `Crash` at the last one.

    Args:
        real: the store.
        left: list of one number: calls until the crash, shared with the stores below.
        is_after: whether the fatal call takes effect.
    """

    def __init__(self, real: Store, left: list[int], *, is_after: bool) -> None:
        self._real, self._left, self._is_after = real, left, is_after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not callable(found) or name in ("local", "is_away"):
            return found

        def call(*args: Any) -> Any:
            with self._dying():
                return found(*args)

        return call

    def below(self, folder: str) -> CrashingStore:
        return CrashingStore(self._real.below(folder), self._left, is_after=self._is_after)

    def local(self, name: str = "") -> Path | None:
        return self._real.local(name)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        with self._dying(), self._real.writing(name) as file:
            yield file

    @contextmanager
    def _dying(self) -> Iterator[None]:
        self._left[0] -= 1
        if self._left[0] == 0 and not self._is_after:
            raise Crash
        yield
        if self._left[0] == 0:
            raise Crash
