"""What is shipped: all of it is in the SBOM, and nothing under a licence that is unknown or forbids it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cluster.docker.locked import name_of
from cluster.sbom.__main__ import Unshippable, cut, described, faults, is_fine, licences, shipped, table


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return cut(described(sys.executable), shipped())


def test_everything_that_is_shipped_is_in_it_and_nothing_else(document: dict[str, Any]) -> None:
    named = {name_of(one["name"]) for one in document["components"]}
    assert named == shipped() - ({"async-timeout"} if sys.version_info >= (3, 11, 3) else set())
    assert {"torch", "ray", "cryptography"} <= named
    assert not named & {"pytest", "mypy", "streamlit"}
    assert all(one["purl"].startswith("pkg:pypi/") for one in document["components"])


def test_it_is_cyclonedx_and_a_document_that_is_none_is_told(document: dict[str, Any]) -> None:
    assert faults(document) == ""
    head = {name: document[name] for name in ("$schema", "specVersion", "version")}
    assert "bomFormat" in faults({**head, "bomFormat": "other"})


def test_every_licence_is_known_and_fine(document: dict[str, Any]) -> None:
    found = licences(document)
    assert len(found) == len(document["components"])
    page = table(found)
    assert all(f"| {name} |" in page for name in found)


@pytest.mark.parametrize("said", ["", "AGPL-3.0-or-later", "GPL-3.0-only", "GPLv2", "SSPL-1.0", "Proprietary"])
def test_a_licence_that_forbids_it_is_told(said: str) -> None:
    one = {"name": "bad", "version": "1", "licenses": [{"license": {"name": said}}] if said else []}
    with pytest.raises(Unshippable, match="bad 1"):
        licences({"components": [one]})


@pytest.mark.parametrize(
    "said", ["MIT", "Apache-2.0", "BSD 3-Clause", "LGPL-3.0-only", "MPL-2.0", "GPL-2.0-only OR MIT", "PSF-2.0"]
)
def test_licences_that_let_us(said: str) -> None:
    assert is_fine(said)
