"""Cluster nodes on one machine, each in its own network and process namespace, as containers are.

A node listens on its own address, and all its processes die with its first one. It needs root and `iproute2`; nothing
leaves the machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from raybid.local import LaunchError
from rtb.runtime import processes
from rtb.runtime.guard import descendants

_STOP_SECONDS = 10.0
_BEGIN_SECONDS = 10.0


def can_make() -> str:
    """Return why nodes cannot be created here; empty if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "unshare") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} missing: install iproute2 and util-linux"
    probe = subprocess.run(["unshare", "--net", "--pid", "--fork", "true"], capture_output=True, text=True, check=False)
    return f"no namespaces: {probe.stderr.strip()}" if probe.returncode else ""


class Network:
    """A bridge on this machine, and the namespaces connected to it.

    Attributes:
        gateway: address of this machine on it.
    """

    def __init__(self, number: int, stack: ExitStack) -> None:
        self._prefix = f"10.213.{number}"
        self._bridge = f"raybid{number}"
        self._stack = stack
        self.gateway = f"{self._prefix}.1"
        self._made(["link", "add", self._bridge, "type", "bridge"], ["link", "del", self._bridge])
        _ip("addr", "add", f"{self.gateway}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")

    def address(self, last: int) -> str:
        """Return the address that ends with a number."""
        return f"{self._prefix}.{last}"

    def join(self, last: int) -> tuple[str, str]:
        """Create a namespace whose address ends with this number; return its name and address."""
        name, outside, inside = f"{self._bridge}-{last}", f"{self._bridge}o{last}", f"{self._bridge}i{last}"
        address = self.address(last)
        self._made(["netns", "add", name], ["netns", "del", name])
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
        _ip("link", "set", outside, "master", self._bridge, "up")
        _ip("link", "set", inside, "netns", name)
        for command in (
            ["addr", "add", f"{address}/24", "dev", inside],
            ["link", "set", inside, "up"],
            ["link", "set", "lo", "up"],
        ):
            _ip("-n", name, *command)
        return name, address

    def connect(self, last: int, *, is_up: bool) -> None:
        """Pull the cable of a namespace, or plug it in again; nobody is told."""
        _ip("link", "set", f"{self._bridge}o{last}", "up" if is_up else "down")

    def _made(self, make: list[str], unmake: list[str]) -> None:
        _ip(*make)
        self._stack.callback(_ip, *unmake)


@contextmanager
def network() -> Iterator[Network]:
    """Create a network for the time of the block.

    Raises:
        LaunchError: it cannot be created.
    """
    if reason := can_make():
        raise LaunchError(reason)
    with ExitStack() as stack:
        yield Network(os.getpid() % 250 + 1, stack)


class Node:
    """A node that starts and stops as a container does.

    Args:
        net: network to join.
        last: last part of its address.
        command: command of its first process.
        environment: environment of that process.
        log: file for its output.
    """

    def __init__(self, net: Network, last: int, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._net, self._last = net, last
        self._namespace, self.address = net.join(last)
        self._command = command
        self._environment = {**environment, "RAYBID_NODE_IP": self.address}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node, or restart it."""
        own = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        with self._log.open("ab") as log:
            self._process = processes.start(
                ["ip", "netns", "exec", self._namespace, *own, *self._command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def ended(self) -> bool:
        """Whether its first process, and so all others, have ended."""
        return self._process is None or self._process.poll() is not None

    @property
    def first_pid(self) -> int:
        """Id of its first process, in this machine's numbering.

        Raises:
            LaunchError: it has ended.
        """
        deadline = time.monotonic() + _BEGIN_SECONDS
        while self._process is not None and not self.ended and time.monotonic() < deadline:
            below = descendants(self._process.pid)
            if len(below) > 1:  # `unshare`, which stays in this machine's namespaces, and what it started
                return below[1]
            time.sleep(0.01)
        raise LaunchError(f"the node {self.address} has ended: see {self._log}")

    def connect(self, *, is_up: bool) -> None:
        """Pull its cable, or plug it in again: see `Network.connect`."""
        self._net.connect(self._last, is_up=is_up)

    def kill(self) -> None:
        """End all of its processes at once, as a power cut does."""
        if self._process is not None and not self.ended:
            os.kill(self.first_pid, signal.SIGKILL)
            self._process.wait()

    def pids(self, name: str) -> list[int]:
        """Return the ids of its processes of a name, in this machine's numbering."""
        here = (Path("/var/run/netns") / self._namespace).stat().st_ino
        found = []
        for process in psutil.process_iter(["name"]):
            with suppress(OSError):  # ended meanwhile
                if process.info["name"] == name and Path(f"/proc/{process.pid}/ns/net").stat().st_ino == here:
                    found.append(process.pid)
        return found

    def stop(self) -> None:
        """Ask its first process to stop, then kill it."""
        if self._process is None or self.ended:
            return
        with suppress(LaunchError):
            os.kill(self.first_pid, signal.SIGTERM)  # `unshare` above it does not forward signals
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            processes.end(self._process)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LaunchError(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")
