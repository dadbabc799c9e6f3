"""A folder as a store: of this machine, or shared by several, as NFS does."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa

_DRAFT = ".draft"
_ABANDONED_SECONDS = 86_400.0
"""Age from which a draft in a shared folder is nobody's any more."""


class FolderStore:
    """A store in a folder: see `rtb.store.protocol.Store`.

    Files are written aside under a name of their own, synced, and moved into place.

    Args:
        path: the folder, made with the first file.
        is_shared: whether other machines write into it as well.
        is_private: whether new files are for this user alone.
    """

    def __init__(self, path: Path, *, is_shared: bool = False, is_private: bool = False) -> None:
        self._path = path
        self._is_shared = is_shared
        self._mode = 0o600 if is_private else 0o666

    @property
    def url(self) -> str:
        """See `Store`."""
        return str(self._path)

    def local(self, name: str = "") -> Path | None:
        """See `Store`."""
        return self._path / name

    def below(self, folder: str) -> FolderStore:
        """See `Store`."""
        return FolderStore(self._path / folder, is_shared=self._is_shared, is_private=self._mode == 0o600)

    def folders(self, folder: str = "") -> list[str]:
        """See `Store`."""
        return sorted(path.name for path in self._listed(folder) if path.is_dir())

    def files(self, folder: str = "") -> list[str]:
        """See `Store`."""
        return sorted(path.name for path in self._listed(folder) if not _is_draft(path) and not path.is_dir())

    def read(self, name: str) -> bytes:
        """See `Store`."""
        return (self._path / name).read_bytes()

    def open(self, name: str) -> pa.NativeFile:
        """See `Store`."""
        return pa.OSFile(str(self._path / name))

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """See `Store`."""
        path = self._path / name
        with self._drafted(path) as draft:
            with draft.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        _sync_folder(path.parent)

    def write(self, name: str, content: bytes | memoryview) -> None:
        """See `Store`."""
        with self.writing(name) as file:
            file.write(content)

    def create(self, name: str, content: bytes) -> bool:
        """See `Store`."""
        path = self._path / name
        with self._drafted(path) as draft:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            is_made = _linked(draft, path)
            draft.unlink()
        _sync_folder(path.parent)
        return is_made

    def remove(self, name: str) -> None:
        """See `Store`."""
        (self._path / name).unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        """See `Store`."""
        for path in (self._path / folder, *(self._path / folder).parents):
            if path == self._path or not path.is_dir() or any(path.iterdir()):
                return
            path.rmdir()

    def remove_drafts(self) -> None:
        """See `Store`."""
        before = time.time() - (_ABANDONED_SECONDS if self._is_shared else 0.0)
        for draft in self._path.rglob(f".*{_DRAFT}"):
            if not self._is_shared or draft.stat().st_mtime < before:
                draft.unlink(missing_ok=True)

    def is_away(self, error: OSError) -> bool:
        """See `Store`."""
        return self._is_shared and error.errno is not None and not isinstance(error, FileNotFoundError)

    def _listed(self, folder: str) -> list[Path]:
        try:
            return list((self._path / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    @contextmanager
    def _drafted(self, path: Path) -> Iterator[Path]:
        """Yield the path of a new draft beside a file; where the block fails, the draft must not fill the disk."""
        _make_folder(path.parent)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}{_DRAFT}")
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode))
        try:
            yield draft
        except Exception:
            draft.unlink(missing_ok=True)
            raise


def _is_draft(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(_DRAFT)


def _linked(draft: Path, path: Path) -> bool:
    """Give a draft its name unless another file has it; return whether it has it now."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return draft.stat().st_nlink > 1  # NFS: a link whose answer was lost is made, and its repetition fails
    return True


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents, each durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Make what was created or renamed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
