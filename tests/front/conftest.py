"""A platform that a stranger starts with the README, on ports nobody uses, for all tests of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from raybid.local.environment import ROOT
from raybid.local.ports import free_ports
from rtb.runtime.settings import Settings
from tests.front.blocks import carry_out, readme
from tests.small_models import save_small_models
from verification.strangers.machine import PORTS

MAKES = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
"""What `make test` tells a `make` in it; a stranger's is in none."""


@dataclass(frozen=True)
class Front:
    """A machine with `raybid` on it.

    Attributes:
        env: of every command.
        settings: those that the environment makes.
        said: output of the blocks that started its platform.
    """

    env: dict[str, str]
    settings: Settings
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.settings.base_url

    def raybid(self, *words: str, timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
        """One command to its end."""
        return self.run([str(Path(sys.executable).parent / "raybid"), *words], timeout)

    def run(self, command: list[str], timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
        """Any command with this environment, from the repository."""
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def json(self, *words: str) -> Any:
        """Run a command that must succeed and return its JSON document."""
        done = self.raybid(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@contextmanager
def machine_of(folder: Path) -> Iterator[Front]:
    """One on which nothing runs yet, with ports that nobody uses and small models."""
    given = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    given |= {
        "RAYBID_VAR_DIR": str(folder / "var"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "COLUMNS": "200",
    }
    ports = {name.removeprefix("RAYBID_").lower(): int(given[name]) for name in PORTS if name.startswith("RAYBID_")}
    settings = Settings().model_copy(update={**ports, "var_dir": Path(given["RAYBID_VAR_DIR"])})
    save_small_models(settings)
    outer = {name: value for name, value in os.environ.items() if name not in MAKES}
    yield Front({**outer, **given}, settings)


@pytest.fixture(scope="package")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Yield the platform that the README starts, and end it as the README does."""
    begin, end, _ = readme()
    with machine_of(tmp_path_factory.mktemp("front")) as machine:
        machine.said.extend(carry_out(block, machine) for block in begin)
        yield machine
        assert '{"sampled": 2, "equal": 2}' in carry_out(end, machine)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{machine.url}/health/live")
