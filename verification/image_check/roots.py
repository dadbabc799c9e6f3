"""Roots of a bare Debian, commands in them, and an application that runs from one as in a container.

Everything happens in separate namespaces (mounts, processes, and for the application the network), so nothing stays
mounted. It needs root, `debootstrap` and `unshare`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from verification.image_check.builder import Image, StepFailed

STAND_IN = re.compile(r"(?:docker\.io/)?(?:library/)?python:3\.11(?:\.\d+)?-slim-(?P<suite>bookworm)(?:@sha256:\w+)?")
"""Images that a bare Debian with its own Python 3.11 can replace."""

_PACKAGES = "python3,python3-venv,ca-certificates,netbase,tzdata"
"""Packages of `python:slim` that a minimal Debian lacks; none that a Dockerfile would have to install there."""

_PASSED_ON = re.compile(r"PIP_\w+|(?:SSL_CERT|REQUESTS_CA|CURL_CA)_\w+|\w+_proxy|\w+_PROXY")
"""Variables of this machine that builds get too, as `docker build` passes on proxies."""


class BareDebian:
    """A maker of roots, which runs debootstrap once and copies the result.

    Args:
        kept: folder for debootstrap's result.
    """

    def __init__(self, kept: Path) -> None:
        self._kept = kept

    def __call__(self, image: str, root: Path) -> None:
        """Create the root of an image.

        Raises:
            StepFailed: there is no replacement for the image, or debootstrap fails.
        """
        match = STAND_IN.fullmatch(image)
        if match is None:
            raise StepFailed(f"no stand-in for the image {image}: this check has one for python:3.11-slim-bookworm")
        original = self._kept / match["suite"]
        if not (original / ".whole").exists():
            shutil.rmtree(original, ignore_errors=True)
            original.mkdir(parents=True)
            command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", match["suite"], str(original)]
            if mirror := os.environ.get("DEBIAN_MIRROR"):
                command.append(mirror)
            if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
                raise StepFailed(f"`{' '.join(command)}` failed: see its output above")
            for package in (original / "var" / "cache" / "apt" / "archives").glob("*.deb"):
                package.unlink()  # images do not have them
            (original / ".whole").touch()
        subprocess.run(["cp", "-a", "--reflink=auto", str(original), str(root)], check=True)


class Chroot:
    """A runner of commands in a root, with this machine's network, DNS and pip settings."""

    def __init__(self) -> None:
        self._binds = ["/etc/resolv.conf", *_pip_places()]
        self._passed_on = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}

    def __call__(
        self, root: Path, command: Sequence[str], environment: Mapping[str, str], user: str, folder: str
    ) -> int:
        """Run a command, with its output on standard error, and return its exit status."""
        made = [place for place in self._binds if _make_place(root, place)]
        mounts = [f"mount --rbind /dev {root}/dev", f"mount -t proc proc {root}/proc"]
        mounts += [f"mount --bind {shlex.quote(place)} {shlex.quote(str(root) + place)}" for place in self._binds]
        given = {**self._passed_on, **environment}
        script = " && ".join([*mounts, f"exec {shlex.join(_chroot(root, command, given, user, folder))}"])
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        try:
            done = subprocess.run(
                [*own, "bash", "-c", script], stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
            )
        finally:
            for place in reversed(made):
                _remove_place(root, place)
        return done.returncode


class Container:
    """An application that runs from a root: read-only except `/tmp` and its volumes, in a network of its own.

    Args:
        image: image to run.
        volume: folder to mount at the image's `RAYBID_VAR_DIR`.
        environment: environment in addition to the image's.
        log: file for its output.
    """

    def __init__(self, image: Image, volume: Path, environment: Mapping[str, str], log: Path) -> None:
        self._image = image
        self._environment = {**image.environment, **environment}
        self._volume, self._log = volume, log
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[Container]:
        """Run the image's entry point and command for the time of the block."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", self._script()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield self
        finally:
            self._stop()

    def _stop(self) -> None:
        """Kill its first process, and with it all others.

        `--kill-child` does not: a process that changed its user is not notified of its parent's death.
        """
        assert self._process is not None
        with suppress(ProcessLookupError, FileNotFoundError, IndexError):
            os.kill(self._first(), signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process is None or self._process.poll() is not None

    def execute(
        self, command: Sequence[str], stdin: str = "", seconds: float = 300.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the running container, as `docker exec` does."""
        inside = ["nsenter", "--target", str(self._first()), "--mount", "--net", "--pid"]
        return subprocess.run(
            [*inside, *self._in_root(command)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def _first(self) -> int:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0])

    def _script(self) -> str:
        root = shlex.quote(str(self._image.root))
        var = shlex.quote(f"{self._image.root}{self._environment['RAYBID_VAR_DIR']}")
        steps = [
            "ip link set lo up",
            f"mount --bind {root} {root}",
            f"mount --bind {shlex.quote(str(self._volume))} {var}",
            f"mount -o remount,bind,ro {root}",
            f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp",
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /dev {root}/dev",
            f"mount -t tmpfs -o mode=1777,size=1g tmpfs {root}/dev/shm",
            f"exec {shlex.join(self._in_root([*self._image.entrypoint, *self._image.command]))}",
        ]
        return " && ".join(steps)

    def _in_root(self, command: Sequence[str]) -> list[str]:
        return _chroot(self._image.root, command, self._environment, self._image.user, self._image.folder)


def _chroot(root: Path, command: Sequence[str], environment: Mapping[str, str], user: str, folder: str) -> list[str]:
    variables = [f"{name}={value}" for name, value in environment.items()]
    changed = ["chroot", f"--userspec={user}", "--groups=", str(root)]
    return [*changed, "/usr/bin/env", "-i", "-C", folder, *variables, *command]


def _pip_places() -> list[str]:
    """Return the files and folders that this machine's pip reads: its settings, and what they refer to."""
    pip = [sys.executable, "-m", "pip", "config"]
    said = subprocess.run([*pip, "debug"], capture_output=True, text=True, check=False).stdout
    files = re.findall(r"^\s*(/\S+), exists: True$", said, re.MULTILINE)
    named = subprocess.run([*pip, "list"], capture_output=True, text=True, check=False).stdout
    paths = [Path(path) for path in re.findall(r"(?:file://)?(/[^\s'\"]+)", named) if Path(path).exists()]
    # An index's pages link to files next to it.
    return sorted({str(path.parent if path.name == "simple" else path) for path in [*map(Path, files), *paths]})


def _make_place(root: Path, place: str) -> bool:
    """Create a mount point; return whether it had to be created."""
    target = Path(f"{root}{place}")
    if target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    if Path(place).is_dir():
        target.mkdir()
    else:
        target.touch()
    return True


def _remove_place(root: Path, place: str) -> None:
    target = Path(f"{root}{place}")
    if target.is_dir():
        target.rmdir()
    else:
        target.unlink()
    for parent in target.parents:  # folders above it that are now empty, within the root
        if parent == root or any(parent.iterdir()):
            return
        parent.rmdir()
