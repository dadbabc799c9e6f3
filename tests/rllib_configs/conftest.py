"""A Ray of one process for the tests that build algorithms."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from pipelines.local.environment import LOOPBACK


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    os.environ.update(LOOPBACK, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray  # noqa: PLC0415 - reads the variables above

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()
