"""A server that may die."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rtb.ledger.support import Restartable


@pytest.fixture
def server(free_port: int, tmp_path: Path) -> Iterator[Restartable]:
    """A server of this test's own."""
    server = Restartable(free_port, tmp_path)
    yield server
    server.process.stop()
