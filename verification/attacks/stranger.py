"""Who attacks from this machine: a user without rights, and somebody at another address of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from raybid.local import LaunchError
from verification.attacks.not_tried import NotTried
from verification.faults import nodes

_PROBES = Path(__file__).with_name("probes.py")
_SECONDS = 120.0
_ATTACKER = 2
"""Last part of the address of who attacks; the platform's machine is 1."""

Question = dict[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Stranger:
    """Asks questions of `probes` in a process that knows nothing of the platform but what it is asked.

    Attributes:
        hosts: addresses of the platform's machine that it knows.
        prefix: what puts a command at another address.
        user: whose rights it has; none: those of this process.
    """

    hosts: Sequence[str] = ("127.0.0.1",)
    prefix: Sequence[str] = field(default=())
    user: str | None = None

    def ask(self, *questions: Question) -> list[Answer]:
        """Ask, in one process; an answer has `error` where a question failed."""
        done = self.run([_python(), "-I", "-c", _PROBES.read_text()], json.dumps(questions))
        if done.returncode:
            raise OSError(f"the probes fail: {done.stderr.strip()[-400:]}")
        answers: list[Answer] = json.loads(done.stdout)
        return answers

    def one(self, do: str, **arguments: Any) -> Answer:
        """Ask one question."""
        (answer,) = self.ask({"do": do, **arguments})
        return answer

    def run(self, command: Sequence[str], text: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command with an empty environment and home, so that no secret of this process is in it.

        Args:
            command: and its arguments.
            text: its standard input.
            **extra: environment variables that it has besides.
        """
        rights: dict[str, Any] = {"user": self.user, "group": "nogroup", "extra_groups": []} if self.user else {}
        return subprocess.run(
            [*self.prefix, *command],
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            cwd="/",
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/nonexistent", "RAY_USAGE_STATS_ENABLED": "0"}
            | extra,
            **rights,
        )


def nobody() -> Stranger:
    """A local user without rights.

    Raises:
        NotTried: this process cannot become somebody else.
    """
    if os.geteuid() != 0:
        raise NotTried("only root can become a user without rights")
    return Stranger(user="nobody")


@contextmanager
def neighbour() -> Iterator[Stranger]:
    """Somebody at another address: in a network namespace, or without root at this machine's own other address."""
    own = _own_addresses()
    if reason := nodes.can_make():
        if not own:
            raise LaunchError(f"there is no second address to attack from: {reason}")
        yield Stranger(own)
        return
    with nodes.network() as network:
        namespace, _ = network.join(_ATTACKER)
        for address in own:  # routes to this machine alone, so that nothing leaves it
            route = ["ip", "-n", namespace, "route", "replace", f"{address}/32", "via", network.gateway]
            subprocess.run(route, check=True, capture_output=True)
        yield Stranger((network.gateway, *own), ("ip", "netns", "exec", namespace))


def _own_addresses() -> list[str]:
    """Addresses of this machine that are not loopback, of IP version 4."""
    found = [one.address for cards in psutil.net_if_addrs().values() for one in cards if one.family.name == "AF_INET"]
    return [one for one in found if not one.startswith("127.")]


def _python() -> str:
    """A Python that anybody may run: the system's where there is one, as a checkout may be under a private home."""
    return shutil.which("python3", path="/usr/bin:/usr/local/bin") or os.path.realpath(sys.executable)
