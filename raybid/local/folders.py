"""Temporary folders with paths short enough for sockets; unused ones are removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rtb.runtime.settings import Settings

_PREFIX = "raybid-"
_MARK = ".raybid"
"""A file in each folder that says who owns it: the folder whose `run` links to it, or the holder of a lock on it."""
_LONGEST = 29
"""Maximum bytes of the folder's path. A socket's path has at most 107, of which HAProxy needs 10; below the folder
come the id of a node (56) and the socket's name."""


def run_folder(settings: Settings) -> Path:
    """Return the folder of the platform's sockets and of Ray's logs, to which `run` under `var_dir` links.

    Paths of sockets must be short, so it is a new temporary folder, which nobody else can have created before.

    Raises:
        OSError: it cannot be created.
    """
    var = settings.var_dir.resolve()
    link = var / "run"
    with suppress(OSError):
        known = link.readlink()
        if _is_ours(known):
            return known
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = _made()
    link.unlink(missing_ok=True)
    link.symlink_to(made)
    (made / _MARK).write_text(str(var))  # after the link: a folder with a mark but no link would be removed
    return made


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Keep a folder for the time of the block, even if the link to it goes away."""
    with (folder / _MARK).open("a") as mark:
        fcntl.flock(mark, fcntl.LOCK_SH)
        yield


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a temporary folder for the block; if the process is killed, the next one removes it."""
    tidy()
    folder = _made()
    try:
        with (folder / _MARK).open("w") as mark:
            fcntl.flock(mark, fcntl.LOCK_SH)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tidy() -> None:
    """Remove this user's folders that no platform links to and nobody uses."""
    for place in {tempfile.gettempdir(), "/tmp"}:
        for folder in Path(place).glob(f"{_PREFIX}*"):
            with suppress(OSError):
                if _is_ours(folder) and not _is_led_to(folder):
                    _remove_unused(folder)


def _made() -> Path:
    made = Path(tempfile.mkdtemp(prefix=_PREFIX))
    if len(os.fsencode(made)) > _LONGEST:
        made.rmdir()
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
    return made


def _is_ours(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _is_led_to(folder: Path) -> bool:
    """Return whether the folder that it was created for still links to it.

    Raises:
        OSError: it has no mark.
    """
    var = (folder / _MARK).read_text()
    if not var:
        return False
    try:
        return Path(var, "run").readlink() == folder
    except FileNotFoundError:
        return False


def _remove_unused(folder: Path) -> None:
    with (folder / _MARK).open("a") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(folder, ignore_errors=True)
