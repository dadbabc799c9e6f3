"""Every kind of store, for tests of what holds for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtb.store import FolderStore, Store
from tests.buckets import Buckets

KINDS = ("folder", "shared", "bucket")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return an empty store of this kind."""
    return make_store(request, tmp_path / "store")


def make_store(request: pytest.FixtureRequest, folder: Path) -> Store:
    """Return an empty store of the kind that a test is parametrised with."""
    if request.param == "bucket":
        buckets: Buckets = request.getfixturevalue("bucket_server")
        return buckets.store()
    return FolderStore(folder, is_shared=request.param == "shared")
