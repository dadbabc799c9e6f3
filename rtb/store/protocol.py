"""What a store can do. Names are relative, with `/` between folders."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

import pyarrow as pa


class StoreAway(OSError):
    """A store that cannot be reached, or refuses this caller; it says nothing about what is in it."""


class Store(Protocol):
    """A place for files that are written once. Calls block, may come from any thread, and raise `OSError`."""

    @property
    def url(self) -> str:
        """Where it is, for people, without credentials."""
        ...

    def local(self, name: str = "") -> Path | None:
        """Return the path of a file or folder where the store is a folder, else `None`."""
        ...

    def below(self, folder: str) -> Store:
        """Return the store of a folder in this one."""
        ...

    def folders(self, folder: str = "") -> list[str]:
        """Return the names of the folders in a folder, sorted; there may be some whose files are gone."""
        ...

    def files(self, folder: str = "") -> list[str]:
        """Return the names of the files in a folder, sorted; none where there is no such folder."""
        ...

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: there is none.
        """
        ...

    def open(self, name: str) -> pa.NativeFile:
        """Open a file for Arrow, to be closed by the caller.

        Raises:
            FileNotFoundError: there is none.
        """
        ...

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file that appears whole and durable when the block ends, and not at all when it raises."""
        ...

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file whole, over another one if there is one."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless another is there; return whether this one is there now. One of several callers wins."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there; after a crash of the machine it may be there again."""
        ...

    def remove_folder(self, folder: str) -> None:
        """Remove a folder without files, and the folders above it that are left without any."""
        ...

    def remove_drafts(self) -> None:
        """Remove half-written files of crashed writers; of this machine's folder, only while nobody else writes."""
        ...

    def is_away(self, error: OSError) -> bool:
        """Return whether an error means that the store cannot be reached, rather than that a file is damaged."""
        ...
