"""Packages of npm: installed once for each lock file, below `var/clients`, and scripts run with them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raybid.local.environment import ROOT
from rtb.runtime import processes

_HERE = Path(__file__).parent
_FILES = ("package.json", "package-lock.json", ".npmrc")
_INSTALL_SECONDS = 300.0
_SCRIPT_SECONDS = 120.0


class ClientsMissing(RuntimeError):
    """An error when the packages cannot be used; the message says what to do."""


def packages() -> Path:
    """Return the folder `node_modules` with the locked packages, which are installed on the first call.

    Raises:
        ClientsMissing: Node.js or npm is missing, or npm cannot install them.
    """
    for program, package in (("node", "nodejs"), ("npm", "npm")):
        if shutil.which(program) is None:
            raise ClientsMissing(f"{program} is missing: install Debian's `{package}`")
    digest = hashlib.sha256(b"".join((_HERE / name).read_bytes() for name in _FILES)).hexdigest()[:16]
    folder = ROOT / "var" / "clients" / digest
    with _locked(folder.parent):
        if not (folder / "installed").exists():
            _install(folder)
    return folder / "node_modules"


def run_script(name: str, *arguments: str, told: str = "") -> list[str]:
    """Run a script of this folder with the packages; return the lines that it prints.

    Args:
        name: file name of the script.
        *arguments: its arguments.
        told: its standard input.

    Raises:
        ClientsMissing: the packages cannot be used.
        subprocess.CalledProcessError: it fails; `stderr` says why.
        subprocess.TimeoutExpired: it does not end.
    """
    environment = os.environ | {"NODE_PATH": str(packages())}
    done = subprocess.run(
        ["node", str(_HERE / name), *arguments],
        input=told,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SCRIPT_SECONDS,
        check=True,
    )
    return done.stdout.splitlines()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time install."""
    for place in (folder.parent, folder):
        place.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in _FILES:
        shutil.copy(_HERE / name, folder)
    command = ["npm", "ci", "--prefer-offline"]
    try:
        done = processes.run(command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ClientsMissing(f"npm did not install the packages in {_INSTALL_SECONDS:.0f} s") from error
    if done.returncode:
        raise ClientsMissing(f"npm could not install the packages: {done.stderr.strip()[-500:]}")
    (folder / "installed").touch()
