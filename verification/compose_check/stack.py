"""The services of a compose file, run by podman-compose."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from raybid.local import LaunchError
from verification.compose_check import plan
from verification.compose_check.images import compose

_START_SECONDS = 300.0
_COMMAND_SECONDS = 180.0
_LOOK_SECONDS = 1.0
_LAST_LINES = 6


class Stack:
    """The services that can run here.

    Attributes:
        services: names of the services, each after those it depends on.
        lasting: those that run on once they have started.

    Args:
        file: compose file.
        services: the first attribute.
        say: reporter of progress.
    """

    def __init__(self, file: Path, services: Sequence[str], say: Callable[[str], None]) -> None:
        described = yaml.safe_load(file.read_text())["services"]
        self.services = list(services)
        self.lasting = [name for name in services if not plan.ends(described[name])]
        self._command = compose(file)
        self._say = say

    def up(self) -> int:
        """Start every service, and wait for its health before those that depend on it; return how many are healthy.

        Raises:
            LaunchError: one is not healthy in time.
        """
        for name in self.services:
            self._say(f"up: {name}")
            self._compose("up", "--detach", "--no-build", "--no-deps", name)
            if name in self.lasting:
                self._await_health(name)
        for name in set(self.services) - set(self.lasting):
            self._await_health(name)
        return sum(self._is_healthy(name) for name in self.services)

    def restart(self, name: str) -> None:
        """Restart a service, and wait for its health.

        Raises:
            LaunchError: it is not healthy in time.
        """
        self._say(f"restart: {name}")
        self._compose("restart", name)
        self._await_health(name)

    def down(self) -> None:
        """Stop and remove all containers and networks; volumes stay."""
        self._say("down")
        self._compose("down")

    def inside(self, service: str, *command: str) -> str:
        """Return what a command prints in the container of a service.

        Raises:
            LaunchError: it fails.
        """
        return _output(["podman", "exec", self._container(service).name, *command])

    def _await_health(self, name: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_healthy(name):
            if time.monotonic() > deadline:
                found = self._container(name)
                raise LaunchError(
                    f"{name} is not healthy after {_START_SECONDS:.0f} s, but {found.state} (exit code "
                    f"{found.exit_code}); its log ends: {self._log(name)}"
                )
            time.sleep(_LOOK_SECONDS)

    def _is_healthy(self, name: str) -> bool:
        """Return whether the health check of a service passes, or whether a service that ends has ended well."""
        container = self._container(name)
        if name not in self.lasting:
            return container.has_ended and container.exit_code == 0
        return container.state == "running" and not _done(["podman", "healthcheck", "run", container.name]).returncode

    def _container(self, name: str) -> plan.Container:
        found = plan.containers(_output(["podman", "ps", "--all", "--format", "json"]))
        if name not in found:
            raise LaunchError(f"{name} has no container")
        return found[name]

    def _log(self, name: str) -> str:
        done = _done(["podman", "logs", "--tail", str(_LAST_LINES), self._container(name).name])
        return " ".join((done.stdout + done.stderr).split())

    def _compose(self, *arguments: str) -> None:
        _output([*self._command, *arguments])


def _output(command: Sequence[str]) -> str:
    done = _done(command)
    if done.returncode:
        raise LaunchError(f"`{' '.join(command)}` failed: {' '.join(done.stderr.split())[-500:]}")
    return done.stdout


def _done(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command; what it leaves running belongs to a container, so no guard ends it."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise LaunchError(f"`{' '.join(command)}` did not end within {_COMMAND_SECONDS:.0f} s") from error
