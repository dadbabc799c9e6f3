"""Published models: what serves and how that came about, whatever dies and whoever else publishes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.models.artefacts import ArtefactError, Meta, load, save
from rtb.models.registry import PublishDecision, Registry, RegistryError, RegistryState
from rtb.runtime.settings import Settings


def model(folder: Path, number: int) -> Path:
    tensors = {"a": np.full(3, number, np.float32)}
    save(folder, kind="ctr", schema_version="1", tensors=tensors, config={}, metrics={}, trained_on=f"number {number}")
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.of(Settings(var_dir=tmp_path), "ctr")


def add(registry: Registry, tmp_path: Path, number: int) -> Meta:
    with registry.deciding():
        return registry.add(model(tmp_path / f"candidate-{number}", number))


def test_nothing_is_published_at_first(registry: Registry):
    assert registry.read() == RegistryState()
    assert registry.champion() is None


def test_a_published_model_serves_whatever_becomes_of_its_first_folder(registry: Registry, tmp_path: Path):
    meta = add(registry, tmp_path, 1)
    with registry.deciding():
        registry.decide("published", meta.version, "better", {"measures": []})
    model(tmp_path / "candidate-1", 2)
    champion = registry.champion()
    assert champion is not None
    assert load(champion, kind="ctr", schema_version="1").meta == meta
    (decision,) = registry.read().history
    assert (decision.action, decision.version, decision.before) == ("published", meta.version, None)
    assert (decision.reason, decision.comparison) == ("better", {"measures": []})


def test_a_refusal_is_noted_and_changes_nothing(registry: Registry, tmp_path: Path):
    meta = add(registry, tmp_path, 1)
    with registry.deciding():
        registry.decide("published", meta.version, "first")
        registry.decide("refused", "0123456789ab", "worse")
    assert registry.read().champion == meta.version
    assert [decision.action for decision in registry.read().history] == ["published", "refused"]


def test_rolling_back_goes_one_back_each_time_and_then_says_so(registry: Registry, tmp_path: Path):
    versions = [add(registry, tmp_path, number).version for number in range(3)]
    with registry.deciding():
        for version in versions:
            registry.decide("published", version, "better")
        assert registry.roll_back(None, "hm").version == versions[1]
        assert registry.roll_back(None, "hm").version == versions[0]
        with pytest.raises(RegistryError, match="the first"):
            registry.roll_back(None, "hm")
        assert registry.roll_back(versions[2], "after all").version == versions[2]
        with pytest.raises(RegistryError, match="serves already"):
            registry.roll_back(versions[2], "again")
        with pytest.raises(RegistryError, match="no ctr version"):
            registry.roll_back("nonsense", "hm")


@given(st.lists(st.integers(0, 4), max_size=12))
def test_rolling_back_undoes_what_was_published_in_reverse(steps: list[int]):
    """Step 0 rolls back, another publishes that version: the champions are those of a stack."""
    record = RegistryState()
    stack: list[str] = []
    for step in steps:
        if step:
            if stack[-1:] != [str(step)]:
                stack.append(str(step))
            decision = PublishDecision("now", "published", str(step), record.champion, "")
        else:
            former = record.former()
            assert former == (stack[-2] if len(stack) > 1 else None)
            if former is None:
                continue
            stack.pop()
            decision = PublishDecision("now", "rolled back", former, record.champion, "")
        record = RegistryState(decision.version, (*record.history, decision))
        assert record.champion == stack[-1]


def test_only_one_decides_at_a_time(registry: Registry):
    with registry.deciding(), pytest.raises(RegistryError, match="is being published"), registry.deciding():
        pass


def test_what_a_crash_left_behind_is_in_nobodys_way(registry: Registry, tmp_path: Path):
    folder = tmp_path / "published" / "ctr"
    (folder / "versions" / ".123.abc").mkdir(parents=True)
    (folder / "decisions").mkdir()
    (folder / "decisions" / ".00000001.json.0a0b0c0d0e0f.draft").write_text('{"champ')
    (folder / "versions" / "half").mkdir()
    meta = add(registry, tmp_path, 1)
    with registry.deciding():
        registry.decide("published", meta.version, "better")
    assert registry.read().champion == meta.version


def test_a_damaged_record_and_a_missing_artefact_are_named(registry: Registry, tmp_path: Path):
    with registry.deciding(), pytest.raises(ArtefactError, match="no ctr artefact"):
        registry.add(tmp_path / "nowhere")
    (tmp_path / "published" / "ctr" / "record.json").write_text("{")
    with pytest.raises(RegistryError, match=r"record\.json is damaged"):
        registry.read()
