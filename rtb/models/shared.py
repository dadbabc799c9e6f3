"""Artefacts in a store: written once under their version, the metadata last, which is what makes them be there."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from rtb.models.artefacts import META, WEIGHTS, ArtefactError, Meta, read_meta, read_regular
from rtb.runtime.settings import Settings
from rtb.store import Store, trained_store

_VERSION = re.compile("[0-9a-f]{12}")


def put_artefact(store: Store, folder: Path, kind: str) -> Meta:
    """Copy an artefact into a store, once per version.

    Args:
        store: store of the versions of this kind.
        folder: folder of the artefact.
        kind: kind of the model.

    Raises:
        ArtefactError: there is no artefact.
        OSError: it cannot be copied.
    """
    meta = read_meta(folder, kind)
    if not has_artefact(store, meta.version):
        store.write(f"{meta.version}/{WEIGHTS}", read_regular(folder / WEIGHTS))
        store.write(f"{meta.version}/{META}", read_regular(folder / META))
    return meta


def has_artefact(store: Store, version: str) -> bool:
    """Return whether a store has a version whole.

    Raises:
        OSError: the store cannot be read.
    """
    return META in store.files(version)


def get_artefact(store: Store, version: str, cache: Path) -> Path:
    """Return the folder of a version: in the store itself where that is a folder, else a copy, made once.

    Args:
        store: store of the versions of a kind.
        version: the version, whether or not it is there.
        cache: folder of the copies.

    Raises:
        FileNotFoundError: the store has no such version.
        OSError: the store cannot be read, or the copy cannot be written.
    """
    if (path := store.local(version)) is not None:
        return path
    copy = cache / version
    if copy.exists():
        return copy
    cache.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=cache))
    try:
        for name in (META, WEIGHTS):
            (draft / name).write_bytes(store.read(f"{version}/{name}"))
        if not copy.exists():
            draft.rename(copy)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return copy


def share_trained(settings: Settings, folder: Path, kind: str) -> str:
    """Copy a trained artefact to the store, where there is one, so that any host can publish it by its version.

    Returns:
        Where it lies now.

    Raises:
        ArtefactError: there is no artefact.
        OSError: it cannot be copied.
    """
    store = trained_store(settings)
    if store is None:
        return str(folder)
    versions = store.below(kind)
    return f"{versions.url}/{put_artefact(versions, folder, kind).version}"


def is_version(name: str) -> bool:
    """Return whether a text is the version of a model, as trainings print it."""
    return _VERSION.fullmatch(name) is not None


def find_trained(settings: Settings, candidate: str, kind: str) -> Path:
    """Return the folder of a candidate: a folder of this machine, or a version that was trained on any host.

    Raises:
        ArtefactError: there is no such version in the store.
        OSError: the store cannot be read, or the copy cannot be written.
    """
    store = trained_store(settings)
    if store is None or not is_version(candidate) or (Path(candidate) / META).exists():
        return Path(candidate)
    versions = store.below(kind)
    if not has_artefact(versions, candidate):
        raise ArtefactError(f"no trained {kind} model {candidate} in {versions.url}: train one with RAYBID_STORE set")
    return get_artefact(versions, candidate, settings.cache_dir / "trained" / kind)
