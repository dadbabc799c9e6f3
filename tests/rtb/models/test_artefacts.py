"""Models on disk: read back as written, refused with the reason otherwise."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rtb.models.artefacts import META, WEIGHTS, ArtefactError, Meta, load, save
from tests.support import examples


def _save(folder: Path, **changed: Any) -> Meta:
    given = {
        "kind": "ctr",
        "schema_version": "inputs-1",
        "tensors": {"a": np.arange(6, dtype=np.float32).reshape(2, 3)},
        "config": {"dim": 3},
        "metrics": {"auc": 0.75},
        "trained_on": "a test, seed 1",
    }
    return save(folder, **{**given, **changed})


def _load(folder: Path) -> Any:
    return load(folder, kind="ctr", schema_version="inputs-1")


_tensors = arrays.arrays(
    st.sampled_from([np.float32, np.float64, np.int64]), arrays.array_shapes(max_dims=3, max_side=4)
)


@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text("abc.", min_size=1, max_size=5), _tensors | _tensors.map(np.transpose), max_size=3))
def test_tensors_come_back_as_they_were(tmp_path: Path, tensors: dict[str, Any]) -> None:
    meta = _save(tmp_path / "model", tensors=tensors)
    artefact = _load(tmp_path / "model")
    assert artefact.meta == meta
    assert artefact.tensors.keys() == tensors.keys()
    for name, value in tensors.items():
        assert artefact.tensors[name].dtype == value.dtype
        assert artefact.tensors[name].shape == value.shape
        assert artefact.tensors[name].tobytes() == np.ascontiguousarray(value).tobytes()


def test_meta_says_what_it_is_and_where_it_is_from(tmp_path: Path) -> None:
    meta = _save(tmp_path / "deep" / "model")
    told = json.loads((tmp_path / "deep" / "model" / META).read_text())
    assert told["config"] == {"dim": 3}
    assert told["metrics"] == {"auc": 0.75}
    assert told["trained_on"] == "a test, seed 1"
    assert re.fullmatch("[0-9a-f]{12}", meta.version)


def test_version_is_that_of_all_that_makes_the_model(tmp_path: Path) -> None:
    one = _save(tmp_path / "one")
    same = _save(tmp_path / "same", metrics={"auc": 0.9})
    others = [
        _save(tmp_path / "weights", tensors={"a": np.zeros(2)}),
        _save(tmp_path / "config", config={"dim": 4}),
        _save(tmp_path / "schema", schema_version="another"),
    ]
    assert one.version == same.version == _load(tmp_path / "same").meta.version
    assert len({one.version, *(other.version for other in others)}) == 4


def test_saving_over_an_artefact_replaces_it_whole(tmp_path: Path) -> None:
    _save(tmp_path / "model", tensors={"old": np.ones(2)})
    (tmp_path / "model" / "stray").touch()
    _save(tmp_path / "model", tensors={"new": np.zeros(3)})
    assert _load(tmp_path / "model").tensors.keys() == {"new"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert {path.name for path in (tmp_path / "model").iterdir()} == {WEIGHTS, META}


def test_failed_save_leaves_the_artefact_that_was_there(tmp_path: Path) -> None:
    _save(tmp_path / "model")
    with pytest.raises((TypeError, ValueError)):
        _save(tmp_path / "model", config={"not": object()})
    assert _load(tmp_path / "model").tensors.keys() == {"a"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_others_may_read_it(tmp_path: Path) -> None:
    _save(tmp_path / "model")
    assert (tmp_path / "model").stat().st_mode & 0o555 == 0o555


def _edit_meta(**changed: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        meta = {**json.loads((folder / META).read_text()), **changed}
        (folder / META).write_text(json.dumps({name: value for name, value in meta.items() if value is not ...}))

    return edit


def _flip_last_byte(folder: Path) -> None:
    weights = bytearray((folder / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (folder / WEIGHTS).write_bytes(weights)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(lambda folder: (folder / META).unlink(), "no ctr artefact in .*make models", id="no meta"),
        pytest.param(lambda folder: (folder / META).write_text(""), "meta.json is damaged", id="empty meta"),
        pytest.param(lambda folder: (folder / META).write_text("{"), "meta.json is damaged", id="cut meta"),
        pytest.param(lambda folder: (folder / META).write_text("[]"), "meta.json is damaged", id="meta of other type"),
        pytest.param(
            lambda folder: (folder / META).write_bytes(b'{"kind": "\xff"}'), "meta.json is damaged", id="meta not UTF-8"
        ),
        pytest.param(_edit_meta(sha256=...), "meta.json is damaged.*sha256", id="meta without a field"),
        pytest.param(_edit_meta(kind="policy"), "holds a policy model, not a ctr model", id="other kind"),
        pytest.param(
            _edit_meta(schema_version="inputs-0"),
            "inputs-0, this code makes inputs-1.*train it again",
            id="other schema",
        ),
        pytest.param(_edit_meta(sha256="0" * 64), "does not match its checksum", id="other checksum"),
        pytest.param(_flip_last_byte, "does not match its checksum", id="damaged weights"),
        pytest.param(lambda folder: (folder / WEIGHTS).write_bytes(b""), "does not match its checksum", id="no bytes"),
        pytest.param(lambda folder: (folder / WEIGHTS).unlink(), "weights.safetensors cannot be read", id="no weights"),
    ],
)
def test_artefact_that_cannot_be_used_says_why(tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    _save(tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(ArtefactError, match=said) as caught:
        _load(tmp_path / "model")
    assert str(tmp_path / "model") in str(caught.value)


def test_weights_that_are_no_tensors_are_refused(tmp_path: Path) -> None:
    meta = _save(tmp_path / "model")
    junk = b"\xff" * 64
    (tmp_path / "model" / WEIGHTS).write_bytes(junk)
    _edit_meta(sha256=hashlib.sha256(junk).hexdigest())(tmp_path / "model")
    assert hashlib.sha256(junk).hexdigest() != meta.sha256
    with pytest.raises(ArtefactError, match="cannot be read"):
        _load(tmp_path / "model")


def test_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no ctr artefact"):
        _load(tmp_path / "nowhere")


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("not a folder")
    with pytest.raises(ArtefactError, match="model"):
        _load(tmp_path / "model")
