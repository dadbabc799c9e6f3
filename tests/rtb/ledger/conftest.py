"""Each kind of ledger, and a server that may die."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Valkey
from tests.rtb.ledger.support import Ledgers, Restartable, memory_ledger, valkey_ledgers


@pytest.fixture(params=["memory", "valkey"])
def ledgers(request: pytest.FixtureRequest) -> Ledgers:
    """A test that takes it is run over every ledger; see `with_ledger`."""
    if request.param == "memory":
        return memory_ledger
    valkey: Valkey = request.getfixturevalue("valkey")
    return valkey_ledgers(valkey)


@pytest.fixture
def server(free_port: int, tmp_path: Path) -> Iterator[Restartable]:
    """A server of this test's own."""
    server = Restartable(free_port, tmp_path)
    yield server
    server.process.stop()
