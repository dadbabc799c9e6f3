"""Where things lie: below the one store that `RAYBID_STORE` names, or below `var_dir`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from rtb.runtime.settings import Settings
from rtb.store.folder import FolderStore
from rtb.store.protocol import Store


def open_store(url: str, *, is_shared: bool = True) -> Store:
    """Return the store of a URL or path; nothing is opened or made before it is used.

    Args:
        url: `s3://bucket/prefix`, `file:///folder`, or the path of a folder.
        is_shared: whether other machines write there as well.

    Raises:
        ValueError: it is neither.
    """
    if url.startswith("s3://"):
        from rtb.store.bucket import BucketStore  # noqa: PLC0415 - its client is needed with a bucket alone

        return BucketStore.of(url)
    path = unquote(urlsplit(url).path) if url.startswith("file://") else url
    return FolderStore(Path(path), is_shared=is_shared)


def event_store(settings: Settings) -> Store:
    """Return the store of the events' Parquet files."""
    return _store(settings).below("events")


def model_store(settings: Settings) -> Store:
    """Return the store of the published models: see `rtb.models.registry`."""
    if settings.published:
        return open_store(settings.published, is_shared=bool(settings.store))
    return _store(settings).below("published")


def trained_store(settings: Settings) -> Store | None:
    """Return the store of trained artefacts that may be published; `None` where they stay in their folders."""
    return _store(settings).below("trained") if settings.store else None


def decision_archive(settings: Settings) -> Store | None:
    """Return the store of recorded decisions; `None` where the Controller's file is all there is."""
    if not settings.store:
        return None
    store = _store(settings)
    local = store.local("decisions")  # requests may identify users
    return store.below("decisions") if local is None else FolderStore(local, is_shared=True, is_private=True)


def cluster_store(settings: Settings) -> Store:
    """Return the store of what the heads of clusters record: see `rtb.store.cluster_record`."""
    return _store(settings).below("cluster")


def _store(settings: Settings) -> Store:
    return open_store(settings.store) if settings.store else FolderStore(settings.var_dir)
