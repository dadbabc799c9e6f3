"""Build Raybid's images as the docs say, on stand-ins for base images where no registry can be reached."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from raybid.local import LaunchError
from raybid.local.environment import ROOT
from rtb.runtime import processes
from verification.compose_check import engine, plan

COMPOSE = ROOT / "cluster" / "compose.yaml"
_STAND_INS = Path(__file__).parent / "stand_ins"
_DEBIAN = "raybid-check/debian:bookworm"
_BUILD = ("--pull=never", "--network=host", "--layers", "--format=docker")
_LAST_LINES = 8

Say = Callable[[str], None]


class ImageStore:
    """The images of the check, which are kept for its next run.

    Args:
        folder: folder for them.
        state: folder for what podman needs only now.
        say: reporter of progress.
    """

    def __init__(self, folder: Path, state: Path, say: Say) -> None:
        self.root = folder / "images"
        self._folder = folder
        self._state = state
        self._say = say
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = engine.configure(state, self.root)

    def prepare(self, services: plan.Services) -> list[str]:
        """Build everything; return the images that are there now, as the compose file names them.

        Raises:
            LaunchError: something cannot be built.
        """
        if self._run(["podman", "image", "exists", _DEBIAN], check=False):
            self._import_debian()
        base = _base_image((ROOT / "cluster" / "docker" / "Dockerfile").read_text())
        wanted = [base, *(service["image"] for service in services.values() if "build" not in service)]
        found = plan.stand_ins(wanted, plan.targets((_STAND_INS / "Containerfile").read_text()))
        for target, image in found.items():
            self._say(f"{image} of Debian's packages")
            file = ["--file", str(_STAND_INS / "Containerfile"), str(_STAND_INS)]
            self._run(["podman", "build", *_BUILD, "--target", target, "--tag", image, *file])
        options = " ".join([*_BUILD, *self._pip_mounts()])
        for service in _one_for_each_image(services):
            self._say(f"Raybid's, of the service {service}")
            self._run([*compose(COMPOSE), "--podman-build-args", options, "build", service])
        return list(found.values())

    def _import_debian(self) -> None:
        self._say("a minimal Debian, once")
        archive = self._state / "debian.tar"
        self._run(["mmdebstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(archive)])
        self._run(["podman", "import", str(archive), _DEBIAN])
        archive.unlink()

    def _pip_mounts(self) -> list[str]:
        """Return the options with which pip in a build has this machine's configuration, and the files it names."""
        listing = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
        ).stdout
        settings = pip_settings(listing)
        configuration = self._state / "pip.conf"
        configuration.write_text(pip_configuration(settings))
        mounts = [f"{path}:{path}:ro" for path in named_paths(settings) if path.exists()]
        return [f"--volume={one}" for one in [f"{configuration}:/etc/pip.conf:ro", *mounts]]

    def _run(self, command: Sequence[str], *, check: bool = True) -> int:
        """Run a command of podman's with its output in a log; return its exit code.

        Raises:
            LaunchError: it failed, and that is to be checked.
        """
        log = self._folder / "build.log"
        with log.open("w") as file:
            done = processes.run(
                engine.isolated(command, own_network=False),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        if done.returncode and check:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
            raise LaunchError(f"`{' '.join(command[:3])} ...` failed, see {log}: {last}")
        return int(done.returncode)


def compose(file: Path) -> list[str]:
    """Return the command line of podman-compose on this file."""
    return [sys.executable, "-m", "podman_compose", "--in-pod=false", "--file", str(file)]


def pip_settings(listing: str) -> dict[str, str]:
    """Return the settings in the output of `pip config list`; those of the environment outrank those of files."""
    pairs = [line.partition("=") for line in listing.splitlines() if "=" in line]
    ordered = sorted(pairs, key=lambda pair: pair[0].startswith(":env:"))
    return {name.rpartition(".")[2]: str(ast.literal_eval(value)) for name, _, value in ordered}


def pip_configuration(settings: Mapping[str, str]) -> str:
    """Return the text of a `pip.conf` with these settings."""
    lines = [f"{name} = {' '.join(value.split())}" for name, value in settings.items()]
    return "\n".join(["[global]", *lines, ""])


def named_paths(settings: Mapping[str, str]) -> list[Path]:
    """Return the files and folders that settings of pip name; of a local index the folder around it, with its files."""
    words = [word for value in settings.values() for word in value.split()]
    indexes = {Path(urlsplit(word).path).parent for word in words if word.startswith("file:")}
    return sorted(indexes | {Path(word) for word in words if word.startswith("/")})


def _base_image(dockerfile: str) -> str:
    (found,) = re.findall(r"^ARG BASE=(\S+)$", dockerfile, re.M)
    return str(found)


def _one_for_each_image(services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return list({service["image"]: name for name, service in services.items() if "build" in service}.values())
