"""A model on its way to another machine: the same artefact there, or an error that says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtb.models.artefacts import WEIGHTS, Artefact, ArtefactError, load, load_packed, pack, save
from tests.support import examples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tensors = {"a": np.arange(6, dtype=np.float32)}
    save(tmp_path / "m", kind="ctr", schema_version="1", tensors=tensors, config={}, metrics={}, trained_on="a test")
    return tmp_path / "m"


def _loaded(body: bytes, schema_version: str = "1") -> Artefact:
    return load_packed(body, lambda there: load(there, kind="ctr", schema_version=schema_version))


def test_it_arrives_as_it_was(folder: Path):
    found = _loaded(pack(folder))
    assert found.meta == load(folder, kind="ctr", schema_version="1").meta
    assert found.tensors["a"].tolist() == [0, 1, 2, 3, 4, 5]


def test_what_cannot_be_loaded_does_not_name_a_folder_that_is_gone(folder: Path):
    with pytest.raises(ArtefactError, match=r"^it was trained on inputs of version 1, this code makes 2"):
        _loaded(pack(folder), "2")


def test_what_is_not_whole_is_not_packed(folder: Path):
    (folder / WEIGHTS).unlink()
    with pytest.raises(ArtefactError, match="publish it again"):
        pack(folder)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_on_the_way_is_an_error_and_no_other_model(folder: Path, data: st.DataObject):
    body = bytearray(pack(folder))
    place = data.draw(st.integers(0, len(body) - 1))
    if data.draw(st.booleans()):
        del body[place:]
    else:
        body[place] ^= 255
    try:
        found = _loaded(bytes(body))
    except ArtefactError:
        return
    assert found.tensors["a"].tolist() == [0, 1, 2, 3, 4, 5]  # the damage is in the words of its meta
