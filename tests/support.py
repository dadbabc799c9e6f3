"""What tests of several folders share."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from rtb.runtime.settings import Settings
from verification.clients.packages import ClientsMissing, packages

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
"""Real data beside the checkout, where there is any; see `require`."""

SYSTEM = "Debian package "
"""How a reason begins to skip a test on a machine that lacks a package."""

SKIPS = "RAYBID_TEST_SKIPS"
"""Variable with the path of a file that a run of the tests adds the reasons of what it skipped to."""


def require(condition: object, reason: str) -> None:
    """Skip the test when it lacks something; with `RAYBID_REQUIRE_ALL=1`, as in CI, fail it instead."""
    if condition:
        return
    if os.environ.get("RAYBID_REQUIRE_ALL") == "1":
        pytest.fail(f"required, but missing: {reason}")
    pytest.skip(reason)


def require_package(condition: object, package: str) -> None:
    """Skip the test when a Debian package is not installed; `make system` installs all that tests need."""
    require(condition, f"{SYSTEM}{package}")


def node_packages() -> Path:
    """Return the packages of npm, or skip the test where Node.js, npm or its registry is missing."""
    for program, package in (("node", "nodejs"), ("npm", "npm")):
        require_package(shutil.which(program), package)
    try:
        return packages()
    except ClientsMissing as error:
        require(False, str(error))
        raise


def until(condition: Callable[[], object], seconds: float = 30.0, what: str = "", *, every: float = 0.05) -> None:
    """Wait for a condition, looking every so many seconds; when it does not come, `what` is how the test fails."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(every)


def examples(count: int) -> int:
    """Return how many examples Hypothesis tries where the usual profile tries this many."""
    return max(1, count * settings().max_examples // 60)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return this environment for programs that call a platform with its own key."""
    key = settings.resolve_secret("exchange_key")
    return {**os.environ, "RAYBID_VAR_DIR": str(settings.var_dir), "RAYBID_EXCHANGE_KEY": key}
