"""A model on its way to another machine: the same artefact there, or an error that says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtb.models.artefacts import WEIGHTS, ArtefactError, load, pack, save, unpack
from tests.support import examples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tensors = {"a": np.arange(6, dtype=np.float32)}
    save(tmp_path / "m", kind="ctr", schema_version="1", tensors=tensors, config={}, metrics={}, trained_on="a test")
    return tmp_path / "m"


def test_it_arrives_as_it_was(folder: Path, tmp_path: Path):
    there = tmp_path / "there"
    there.mkdir()
    unpack(pack(folder), there)
    found = load(there, kind="ctr", schema_version="1")
    assert found.meta == load(folder, kind="ctr", schema_version="1").meta
    assert found.tensors["a"].tolist() == [0, 1, 2, 3, 4, 5]


def test_what_is_not_whole_is_not_packed(folder: Path):
    (folder / WEIGHTS).unlink()
    with pytest.raises(ArtefactError, match="publish it again"):
        pack(folder)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_on_the_way_is_an_error_and_no_other_model(folder: Path, tmp_path: Path, data: st.DataObject):
    body = bytearray(pack(folder))
    place = data.draw(st.integers(0, len(body) - 1))
    if data.draw(st.booleans()):
        del body[place:]
    else:
        body[place] ^= 255
    there = tmp_path / "there"
    there.mkdir(exist_ok=True)
    try:
        unpack(bytes(body), there)
        found = load(there, kind="ctr", schema_version="1")
    except ArtefactError:
        return
    assert found.tensors["a"].tolist() == [0, 1, 2, 3, 4, 5]  # the damage is in the words of its meta
