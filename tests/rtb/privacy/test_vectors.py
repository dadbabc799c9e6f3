"""Consent strings that the reference libraries wrote are read as they read them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from rtb.privacy.bits import UnreadableConsent
from rtb.privacy.gpp import split_gpp
from rtb.privacy.us_sections import US_SECTIONS, decode_us_section
from tests.rtb.privacy import strings
from tests.support import SHARED_DATA, require
from verification import privacy_vectors

_FOLDER = SHARED_DATA / "privacy"
_APP = typer.Typer()
_APP.command()(privacy_vectors.main)


def test_all_vectors_are_read_alike() -> None:
    require(_FOLDER.is_dir(), f"{_FOLDER} is absent")
    told = CliRunner().invoke(_APP, ["--vectors", str(_FOLDER)])
    counts = msgspec.json.decode(told.stdout.splitlines()[-1])
    assert (told.exit_code, counts) == (0, {"gpp": 500, "tcf": 350, "different": 0})


def test_a_difference_is_told(tmp_path: Path) -> None:
    section = strings.us_section(8, SaleOptOut=1)
    right = privacy_vectors.read_gpp(strings.gpp({8: section}))
    wrong = right | {"gpp_sid": [9]}
    lines = [right, wrong, {"gpp": "nothing", "sections": {}}]
    (tmp_path / "gpp.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    (tmp_path / "tcf.jsonl").write_bytes(msgspec.json.encode(privacy_vectors.read_tcf(strings.tcf(consents={1}))))
    told = CliRunner().invoke(_APP, ["--vectors", str(tmp_path)])
    assert told.exit_code == 1
    assert msgspec.json.decode(told.stdout.splitlines()[-1]) == {"gpp": 3, "tcf": 1, "different": 2}
    assert "gpp_sid is [8], and not [9]" in told.stderr


@pytest.mark.parametrize("id", US_SECTIONS)
def test_every_field_of_a_section_is_at_its_place(id: int) -> None:
    section = US_SECTIONS[id]
    for version, core in section.cores.items():
        for name, count in core:
            values = [1 + place % 2 for place in range(count)]
            text = strings.us_section(id, version=version, **{name: values if count > 1 else values[0]})
            found = decode_us_section(section, text)
            assert found.pop(name) == (values if count > 1 else values[0])
            found.pop(section.version_field)
            assert not any(any(value) if isinstance(value, list) else value for value in found.values())


@pytest.mark.parametrize(
    "text",
    ["", "D", "DBAB", "CBAA", "DCAA", "DBABMA~BA~BA", "DBABMA", "DB~é", "DBABzw", "dbaa", "DBA=A~", "~DBAA"],
)
def test_what_is_no_gpp_string_is_refused(text: str) -> None:
    with pytest.raises(UnreadableConsent):
        split_gpp(text)


@pytest.mark.parametrize("text", ["", "B", "B//////////Y", "DAAAAAAAAACY", "BVVqAAAACY.YA.YA", "BVVqAAAACY.g"])
def test_what_is_no_section_of_the_united_states_is_refused(text: str) -> None:
    with pytest.raises(UnreadableConsent):
        decode_us_section(US_SECTIONS[11], text)


def test_the_national_section_of_an_interim_encoder_has_the_next_versions_fields() -> None:
    """Some wrote the fields of version 2 under the number of version 1; the reference library reads them so."""
    interim = strings.base64("000001" + _bits(strings.us_section(7, SaleOptOut=1))[6:])
    first = strings.us_section(7, version=1, SaleOptOut=1)
    for text, count in ((interim, 16), (first, 12)):
        found = decode_us_section(US_SECTIONS[7], text)
        assert (found["Version"], found["SaleOptOut"]) == (1, 1)
        assert found["SensitiveDataProcessing"] == [0] * count


def _bits(text: str) -> str:
    return "".join(f"{strings._ALPHABET.index(letter):06b}" for letter in text)
