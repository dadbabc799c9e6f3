"""A small disk for a platform's folder, which can be filled without harm to the machine."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEGABYTES = 600
_CHUNK = 1 << 20


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk on a folder for the time of the block; yield whether that worked: it needs root."""
    folder.mkdir(mode=0o755)
    if os.geteuid() != 0 or _run("mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m,mode=755", "tmpfs", str(folder)):
        yield False
        return
    try:
        yield True
    finally:
        if _run("umount", str(folder)):  # something still has a file open there: it is unmounted with its last process
            _run("umount", "--lazy", str(folder))


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Fill the disk of a folder completely for the time of the block."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            _fill(file.fileno())
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _fill(descriptor: int) -> None:
    size = _CHUNK
    while size:
        try:
            os.write(descriptor, bytes(size))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            size //= 2


def _run(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode
