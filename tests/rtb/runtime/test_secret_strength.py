"""Secrets that can be guessed are refused, and never repeated."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rtb.runtime.secret_strength import SHORTEST, weakness
from rtb.runtime.settings import Settings


@given(st.integers(min_value=24, max_value=64))
def test_one_of_chance_is_taken(octets: int) -> None:
    assert weakness(secrets.token_urlsafe(octets)) is None


@given(st.text(max_size=SHORTEST - 1) | st.text("ab", min_size=SHORTEST) | st.text("\0\r\n\t\x7f\u00e9", min_size=20))
def test_a_short_or_repeated_one_is_not(secret: str) -> None:
    assert weakness(secret) is not None


@pytest.mark.parametrize(
    "secret",
    ["changeme-changeme-1", "Password1234567890!", "your-secret-goes-here", "x_default_admin_key", "1234567890abcdef"],
)
def test_a_word_that_stands_for_one_is_not(secret: str) -> None:
    assert weakness(secret) is not None


@pytest.mark.parametrize(
    "name",
    ["admin_key", "exchange_key", "report_key", "exchange_keys", "notice_secret", "notice_secrets_previous"],
)
def test_settings_refuse_a_weak_one_without_repeating_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(var_dir=tmp_path, **{name: "hunter2"})  # type: ignore[arg-type]
    assert name in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("kept", ["", "a", "\n", "changeme-changeme"])
def test_a_weak_one_that_is_kept_is_refused(kept: str, tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    settings.secret_path("admin_key").parent.mkdir()
    settings.secret_path("admin_key").write_text(kept)
    for take in (settings.resolve_secret, settings.find_secret):
        with pytest.raises(OSError, match="remove the file"):
            take("admin_key")


def test_none_is_made_by_looking(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    assert settings.find_secret("exchange_key") == ""
    assert list(tmp_path.iterdir()) == []
    made = settings.resolve_secret("exchange_key")
    assert settings.find_secret("exchange_key") == made
    assert settings.secret_path("exchange_key").stat().st_mode & 0o777 == 0o600
