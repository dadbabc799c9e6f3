"""A platform that others may reach needs keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtb.runtime.exposure import exposure_fault, is_loopback
from rtb.runtime.settings import Settings

OPEN = ["require_exchange_key", "require_report_key"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1", "[::1]", "::ffff:127.0.0.1"]
)
def test_these_are_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "10.0.0.1", "localhost.evil.example", "127.0.0.1.nip.io", "head", "127.1", "::ffff:10.0.0.1"],
)
def test_these_may_not_be(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("name", OPEN)
def test_without_keys_it_is_for_this_machine_only(name: str, tmp_path: Path) -> None:
    open_settings = Settings(var_dir=tmp_path, **{name: False})  # type: ignore[arg-type]
    assert exposure_fault(open_settings, ["127.0.0.1"]) is None
    for elsewhere in (
        open_settings.model_copy(update={"http_host": "head"}),
        open_settings.model_copy(update={"public_url": "https://bid.example"}),
        open_settings.model_copy(update={"public_url": "no URL"}),
    ):
        told = exposure_fault(elsewhere)
        assert told is not None
        assert f"RAYBID_{name.upper()}=true" in told
        assert "\n" not in told
    assert "0.0.0.0" in (exposure_fault(open_settings, ["0.0.0.0"]) or "")


def test_with_keys_it_may_be_anywhere(tmp_path: Path) -> None:
    published = Settings(var_dir=tmp_path, http_host="head", public_url="https://bid.example")
    assert published.require_exchange_key
    assert published.require_report_key
    assert exposure_fault(published, ["0.0.0.0", ""]) is None
