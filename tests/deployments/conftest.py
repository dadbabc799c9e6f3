"""A platform in this process with one campaign, for the modules that need no other, and what calls use beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rtb.catalog import Catalog
from tests.conftest import Valkey
from tests.deployments.in_process import Platform, running
from tests.rtb.builders import make_campaign


@pytest.fixture(scope="module")
def platform(valkey_server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    valkey_server.flush()
    with running(valkey_server, tmp_path_factory.mktemp("var")) as platform:
        platform.register(make_campaign("spring", value=50_000_000, budget=10**12))
        yield platform


@pytest.fixture
def client(platform: Platform) -> Iterator[httpx.Client]:
    with platform.client() as client:
        yield client


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(f"sqlite:///{tmp_path}/catalog.sqlite")
    yield catalog
    catalog.close()


@pytest.fixture
def environment(valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Valkey:
    """Set a folder and the run's server, emptied, in the environment; return the server."""
    monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("RAYBID_REDIS_URL", f"redis://127.0.0.1:{valkey.port}/0")
    return valkey
