"""Attackers on this machine: an unprivileged user, and a caller at another of its addresses."""

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
"""Last part of the attacker's address; the platform's machine is 1."""

Question = dict[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Stranger:
    """A process that asks `probes` and knows nothing else about the platform.

    Attributes:
        hosts: addresses of the platform's machine that it knows.
        prefix: command prefix that changes the address.
        user: user to run as; None: the current one.
    """

    hosts: Sequence[str] = ("127.0.0.1",)
    prefix: Sequence[str] = field(default=())
    user: str | None = None

    def ask(self, *questions: Question) -> list[Answer]:
        """Ask questions, in one process; an answer has `error` if a question failed."""
        done = self.run([_python(), "-I", "-c", _PROBES.read_text()], json.dumps(questions))
        if done.returncode:
            raise OSError(f"the probes failed: {done.stderr.strip()[-400:]}")
        answers: list[Answer] = json.loads(done.stdout)
        return answers

    def one(self, do: str, **arguments: Any) -> Answer:
        """Ask one question."""
        (answer,) = self.ask({"do": do, **arguments})
        return answer

    def run(self, command: Sequence[str], text: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command with an empty environment and home, so that it has no secret of this process.

        Args:
            command: command and its arguments.
            text: standard input.
            **extra: additional environment variables.
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
    """Return an unprivileged local user.

    Raises:
        NotTried: this process cannot change its user.
    """
    if os.geteuid() != 0:
        raise NotTried("only root can run as an unprivileged user")
    return Stranger(user="nobody")


@contextmanager
def neighbour() -> Iterator[Stranger]:
    """Yield a caller at another address: in a network namespace, or without root at this machine's other address."""
    own = _own_addresses()
    if reason := nodes.can_make():
        if not own:
            raise LaunchError(f"there is no second address to attack from: {reason}")
        yield Stranger(own)
        return
    with nodes.network() as network:
        namespace, _ = network.join(_ATTACKER)
        for address in own:  # routes to this machine only, so that nothing leaves it
            route = ["ip", "-n", namespace, "route", "replace", f"{address}/32", "via", network.gateway]
            subprocess.run(route, check=True, capture_output=True)
        yield Stranger((network.gateway, *own), ("ip", "netns", "exec", namespace))


def _own_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine that are not loopback."""
    found = [one.address for cards in psutil.net_if_addrs().values() for one in cards if one.family.name == "AF_INET"]
    return [one for one in found if not one.startswith("127.")]


def _python() -> str:
    """Return a Python that anybody may run: the system's if there is one, as a checkout may be in a private home."""
    return shutil.which("python3", path="/usr/bin:/usr/local/bin") or os.path.realpath(sys.executable)
