"""Published models in a store of several hosts: whoever publishes where, and wherever it dies."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.models.artefacts import ArtefactError, load, save
from rtb.models.registry import PublishDecision, Registry, RegistryError, RegistryState
from rtb.models.shared import find_trained, share_trained
from rtb.runtime.settings import Settings
from rtb.store import FolderStore, Store
from tests.buckets import Buckets
from tests.rtb.store.conftest import KINDS, make_store
from tests.rtb.store.crashing import Crash, CrashingStore
from tests.support import examples


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return an empty store of this kind."""
    return make_store(request, tmp_path / "published")


def model(folder: Path, number: int) -> Path:
    tensors = {"a": np.full(3, number, np.float32)}
    save(folder, kind="ctr", schema_version="1", tensors=tensors, config={}, metrics={}, trained_on=f"number {number}")
    return folder


def host(store: Store, folder: Path) -> Registry:
    """Return the registry as a host sees it, whose copies lie in a folder of its own."""
    return Registry(store, "ctr", folder / "cache", is_shared=True)


def publish(registry: Registry, folder: Path) -> PublishDecision:
    with registry.deciding():
        return registry.decide("published", registry.add(folder).version, "better")


def test_what_one_host_publishes_serves_from_another(store: Store, tmp_path: Path) -> None:
    here, there = host(store, tmp_path / "here"), host(store, tmp_path / "there")
    versions = [publish(here, model(tmp_path / "m", number)).version for number in (1, 2)]
    champion = there.champion()
    assert champion is not None
    assert load(champion, kind="ctr", schema_version="1").meta.version == versions[1]
    with there.deciding():
        assert there.roll_back(None, "hm").version == versions[0]
    assert here.read().champion == versions[0]
    assert [decision.action for decision in here.read().history] == ["published", "published", "rolled back"]
    assert here.read() == there.read()


def test_of_two_that_judge_at_once_the_later_is_told(store: Store, tmp_path: Path) -> None:
    here, there = host(store, tmp_path / "here"), host(store, tmp_path / "there")
    slow = model(tmp_path / "slow", 1)
    with here.deciding():
        version = here.add(slow).version
        first = publish(there, model(tmp_path / "quick", 2))
        with pytest.raises(RegistryError, match="published meanwhile"):
            here.decide("published", version, "better than what served before")
    assert here.read().champion == first.version
    assert publish(here, slow).before == first.version


def test_a_refusal_meanwhile_is_in_nobodys_way(store: Store, tmp_path: Path) -> None:
    here, there = host(store, tmp_path / "here"), host(store, tmp_path / "there")
    with here.deciding():
        version = here.add(model(tmp_path / "m", 1)).version
        with there.deciding():
            there.decide("refused", "0123456789ab", "worse")
        here.decide("published", version, "better")
    assert [decision.action for decision in there.read().history] == ["refused", "published"]
    assert there.read().champion == version


def test_many_hosts_publish_and_no_decision_is_lost(store: Store, tmp_path: Path) -> None:
    def work(number: int) -> list[str]:
        registry, made = host(store, tmp_path / f"host{number}"), []
        for turn in range(4):
            with contextlib.suppress(RegistryError):
                made.append(publish(registry, model(tmp_path / f"m{number}", 10 * number + turn)).version)
        return made

    with ThreadPoolExecutor(4) as pool:
        published = list(pool.map(work, range(4)))
    told = host(store, tmp_path / "reader").read()
    assert sorted(decision.version for decision in told.history) == sorted(one for made in published for one in made)
    assert [decision.before for decision in told.history] == [
        None,
        *(decision.version for decision in told.history[:-1]),
    ]
    assert told.champion == told.history[-1].version


@settings(max_examples=examples(20))
@given(fatal=st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=8))
@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_at_any_call_leaves_a_whole_champion(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    *,
    kind: str,
    fatal: list[tuple[int, bool]],
) -> None:
    folder = tmp_path_factory.mktemp("published")
    if kind == "bucket":
        store: Store = request.getfixturevalue("bucket_server").store()
    else:
        store = FolderStore(folder / "published", is_shared=kind == "shared")
    before: RegistryState = RegistryState()
    for number, (at, is_after) in enumerate(fatal):
        dying = host(CrashingStore(store, [at], is_after=is_after), folder / "dying")
        candidate = model(folder / "candidate", number)
        with contextlib.suppress(Crash):
            publish(dying, candidate)
        reader = host(store, folder / f"reader{number}")
        told = reader.read()
        assert told.history[: len(before.history)] == before.history
        assert len(told.history) <= len(before.history) + 1
        champion = reader.champion()
        assert (champion is None) == (told.champion is None)
        if champion is not None:
            assert load(champion, kind="ctr", schema_version="1").meta.version == told.champion
        before = told
    assert publish(host(store, folder / "last"), model(folder / "candidate", 100)).before == before.champion


def test_the_record_of_a_former_release_goes_on(store: Store, tmp_path: Path) -> None:
    registry = host(store, tmp_path)
    version = registry.add(model(tmp_path / "m", 1)).version
    former = RegistryState(version, (PublishDecision("2026-01-01T00:00:00+00:00", "published", version, None, "old"),))
    store.write("ctr/record.json", _json(former))
    assert registry.read() == former
    second = publish(registry, model(tmp_path / "m", 2))
    assert (second.before, registry.read().champion) == (version, second.version)
    assert len(registry.read().history) == 2
    with registry.deciding():
        assert registry.roll_back(None, "hm").version == version


def _json(state: RegistryState) -> bytes:
    return msgspec.json.encode(state)


@pytest.mark.parametrize("kind", ["shared", "bucket"])
def test_a_model_trained_on_one_host_is_found_by_its_version_on_another(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url = str(tmp_path / "shared")
    if kind == "bucket":
        buckets: Buckets = request.getfixturevalue("bucket_server")
        url = buckets.url()
    here, there = (Settings(var_dir=tmp_path / name, store=url) for name in ("here", "there"))
    folder = model(tmp_path / "here" / "models" / "ctr", 7)
    where = share_trained(here, folder, "ctr")
    version = where.rpartition("/")[2]
    for _ in range(2):
        found = find_trained(there, version, "ctr")
        assert load(found, kind="ctr", schema_version="1").meta.version == version
    assert find_trained(there, str(folder), "ctr") == folder
    with pytest.raises(ArtefactError, match="no trained ctr model"):
        find_trained(there, "0" * 12, "ctr")
    with pytest.raises(ArtefactError, match="no trained policy model"):
        find_trained(there, version, "policy")


def test_without_a_store_a_trained_model_stays_where_it_is(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", 1)
    assert share_trained(Settings(var_dir=tmp_path / "var"), folder, "ctr") == str(folder)
    assert not (tmp_path / "var").exists()
