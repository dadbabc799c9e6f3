"""A platform whose Ray does not stay up on its first try."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raybid.local import LaunchError, Platform
from raybid.local.ports import free_ports
from rtb.runtime.settings import Settings


class Short(Platform):
    """One that starts in place of Ray what ends by itself, some times, and then finds its Serve ready."""

    ends = 0

    def _start_ray(self) -> None:
        self._ray = subprocess.Popen([sys.executable, "-c", "" if self.ends else "import time; time.sleep(60)"])
        if self.ends:
            self.ends -= 1
            self._ray.wait()
            self._open_log("ray").close()
            self.check()

    def _is_ready(self) -> bool:
        return True


@pytest.fixture
def short(tmp_path: Path) -> Short:
    names = ("http_port", "dashboard_port", "ray_port", "ray_client_port")
    ports: dict[str, Any] = dict(zip(names, free_ports(len(names)), strict=True))
    return Short(Settings(var_dir=tmp_path, redis_url="redis://nobody.asks.it:6379/0", **ports), say=lambda _: None)


def test_ray_that_ends_while_it_starts_is_started_again(short: Short) -> None:
    told: list[str] = []
    short._say, short.ends = told.append, 1
    short._start()
    short._ray.kill()  # type: ignore[union-attr]
    assert [line for line in told if "Ray exited" in line and "restarting" in line]
    assert told[-1].startswith("serving")


def test_ray_that_ends_again_is_not_tried_for_ever(short: Short) -> None:
    short.ends = 5
    with pytest.raises(LaunchError, match="Ray exited"):
        short._start()
    assert short.ends == 5 - 3


def test_ports_are_free_and_different() -> None:
    found = free_ports(20)
    assert len(set(found)) == 20
    assert all(20_000 <= port < 30_000 for port in found)
