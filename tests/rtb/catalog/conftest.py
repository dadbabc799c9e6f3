"""The two databases a catalog can be in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from raybid.local import postgres
from rtb.catalog import Catalog
from tests.support import require_package

NewUrl = Callable[[], str]


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.PostgresCluster]:
    """Start a PostgreSQL for the run."""
    binaries = postgres.binaries()
    require_package(binaries, "postgresql")
    assert binaries is not None
    with postgres.running(binaries) as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> NewUrl:
    """Return a function that makes URLs of databases that nobody has opened yet."""
    if request.param == "postgresql":
        made: postgres.PostgresCluster = request.getfixturevalue("cluster")
        return made.new_database
    numbers = count(1)
    return lambda: f"sqlite:///{tmp_path}/var/catalog{next(numbers)}.sqlite"


@pytest.fixture
def url(new_url: NewUrl) -> str:
    """Of a database that nobody has opened yet."""
    return new_url()


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    """Yield a new catalog."""
    catalog = Catalog(url)
    yield catalog
    catalog.close()
