"""The packages of npm, which the first test that needs them installs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import node_packages


@pytest.fixture(scope="session")
def clients() -> Path:
    return node_packages()
