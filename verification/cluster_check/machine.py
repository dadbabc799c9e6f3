"""A machine of its own: network, processes, mounts, `/tmp`, `/dev/shm`, and a checkout with its own `var`."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from raybid.local import LaunchError
from raybid.local.environment import ROOT
from rtb.runtime import processes
from verification.faults.nodes import Network, Node

_DISK = """
mount --bind {disk}/hosts /etc/hosts
mount --bind {disk}/resolv.conf /etc/resolv.conf
mount -t overlay overlay -o lowerdir={root},upperdir={disk}/checkout,workdir={disk}/work {root}
mount --bind {disk}/var {root}/var
mount -t tmpfs tmpfs /tmp
mount -t tmpfs -o size=2g tmpfs /dev/shm
cd {root}
exec "$@"
"""
"""Mounts over this repository what the machine writes to it, so that each has a checkout at the same path.
Names are not looked up: there is nobody to ask."""

_SERVICE = "while :; do {{ {commands}\n}}; sleep 1; done"
"""What systemd does with `Restart=always`."""


_MOUNT_SECONDS = 10.0


class Machine:
    """A machine that can lose its power and its cable.

    Attributes:
        node: its namespaces.
        environment: environment of all its commands.
        log: file with the output of its service.

    Args:
        net: network to join.
        last: last part of its address.
        folder: folder for its disk and its log, which outlive a power cut.
        environment: the attribute.
    """

    def __init__(self, net: Network, last: int, folder: Path, environment: Mapping[str, str]) -> None:
        self._disk = folder / f"machine{last}"
        for part in ("checkout", "work", "var"):
            (self._disk / part).mkdir(parents=True, exist_ok=True)
        (ROOT / "var").mkdir(mode=0o700, exist_ok=True)
        self.environment = dict(environment)
        self._command: list[str] = []
        self.log = self._disk / "log"
        self.node = Node(net, last, self._command, environment, self.log)
        (self._disk / "hosts").write_text(f"127.0.0.1 localhost\n{self.node.address} {socket.gethostname()}\n")
        (self._disk / "resolv.conf").write_text("")

    @property
    def address(self) -> str:
        """Its address."""
        return self.node.address

    def put(self, path: Path, content: str) -> None:
        """Write a file into its checkout, as `scp` would, before it is started.

        Args:
            path: path of the file, from the root of the repository.
            content: content of the file.
        """
        target = self._disk / "checkout" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(0o600)

    def taken(self, path: Path) -> str:
        """Return a file that was written in its checkout."""
        return (self._disk / "checkout" / path).read_text()

    def serve(self, commands: str) -> None:
        """Power it on with these shell commands as its service, which is restarted when it ends."""
        self._begin(["bash", "-c", _SERVICE.format(commands=commands)])

    def idle(self) -> None:
        """Power it on without a service."""
        self._begin(["bash", "-c", "while :; do sleep 1; done"])

    def power_on(self) -> None:
        """Power it on again."""
        self.node.start()
        self.node.connect(is_up=True)
        self._await()

    def power_off(self) -> None:
        """Cut its power: nobody hears from it any more, not even that connections end."""
        self.node.connect(is_up=False)
        self.node.kill()

    def cut(self) -> None:
        """Pull its cable; its processes go on."""
        self.node.connect(is_up=False)

    def heal(self) -> None:
        """Plug its cable in."""
        self.node.connect(is_up=True)

    def stop(self) -> None:
        """End all that runs on it."""
        self.node.kill()

    def command(self, commands: str) -> list[str]:
        """Return a command that runs shell commands on it while it is on."""
        into = ["nsenter", "--target", str(self.node.first_pid), "--net", "--mount", "--pid", "--"]
        return [*into, "bash", "-euc", f"cd {shlex.quote(str(ROOT))}\n{commands}"]

    def run(self, commands: str, *, seconds: float) -> str:
        """Return what shell commands print on it.

        Raises:
            LaunchError: they fail, or take longer.
        """
        try:
            done = processes.run(
                self.command(commands),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise LaunchError(f"`{_first(commands)}` on {self.address} took longer than {seconds:.0f} s") from error
        if done.returncode:
            raise LaunchError(f"`{_first(commands)}` on {self.address} failed: {_last(done.stderr or done.stdout)}")
        return str(done.stdout)

    def _begin(self, command: Sequence[str]) -> None:
        mounts = _DISK.format(root=shlex.quote(str(ROOT)), disk=shlex.quote(str(self._disk)))
        self._command[:] = ["sh", "-euc", mounts, "sh", *command]
        self.node.start()
        self._await()

    def _await(self) -> None:
        """Wait until everything is mounted.

        Raises:
            LaunchError: it is not.
        """
        deadline = time.monotonic() + _MOUNT_SECONDS
        name = Path(f"/proc/{self.node.first_pid}/comm")
        while name.read_text().strip() != "bash":
            if time.monotonic() > deadline:
                raise LaunchError(f"{self.address} does not start: see {self.log}")
            time.sleep(0.01)


def environment_for_machines() -> dict[str, str]:
    """Return this process's environment without what was set for platforms of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAYBID_", "RAY_", "AWS_"))}
    return kept | {"PYTHONUNBUFFERED": "1", "RAY_USAGE_STATS_ENABLED": "0"}


def _first(commands: str) -> str:
    lines = [line for line in commands.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _last(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1] if lines else "no output"
