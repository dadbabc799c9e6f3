"""Settings: names in the environment, refusals, and the secrets that are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from rtb.runtime.notice_times import NoticeTimes
from rtb.runtime.settings import Settings

_ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("RAYBID_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("http_port", "9000", 9000),
        ("var_dir", "/data/raybid", Path("/data/raybid")),
        ("currency", "EUR", "EUR"),
        ("charge_on", "win", "win"),
        ("require_exchange_key", "false", False),
        ("lease_fraction", "0.5", 0.5),
        ("redis_url", "rediss://cache:6379/1", "rediss://cache:6379/1"),
    ],
)
def test_environment_sets_a_field(monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object) -> None:
    assert getattr(Settings(), name) != value
    monkeypatch.setenv(f"RAYBID_{name.upper()}", text)
    assert getattr(Settings(), name) == value


def test_a_name_without_the_prefix_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PORT", "9000")
    assert Settings().http_port == 8000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("http_port", "0"),
        ("http_port", "65536"),
        ("http_port", "http"),
        ("currency", "usd"),
        ("currency", "EURO"),
        ("charge_on", "click"),
        ("redis_url", "localhost:6379"),
        ("lease_fraction", "0"),
        ("lease_fraction", "1.01"),
        ("lease_seconds", "0"),
        ("max_imps", "0"),
        ("max_body_bytes", "999"),
        ("require_exchange_key", "maybe"),
    ],
)
def test_bad_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(f"RAYBID_{name.upper()}", text)
    with pytest.raises(ValidationError, match=name):
        Settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().http_port = 1  # type: ignore[misc]


def test_defaults_are_embedded_and_under_the_folder(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    kept = settings.resolve_secret("ledger_password")
    assert settings.ledger_url == f"redis://:{kept}@127.0.0.1:{settings.ledger_port}/0"
    assert settings.ledger_place == f"redis://127.0.0.1:{settings.ledger_port}/0"
    assert settings.catalog_url == f"sqlite:///{tmp_path}/catalog.sqlite"
    assert settings.ctr_dir == tmp_path / "models" / "ctr"
    assert settings.policy_dir == tmp_path / "models" / "policy"
    assert settings.notice_url == settings.base_url == "http://127.0.0.1:8000"


def test_what_is_given_comes_before_what_is_embedded(tmp_path: Path) -> None:
    settings = Settings(
        var_dir=tmp_path,
        redis_url="redis://cache/0",
        database_url="postgresql://db/raybid",
        ctr_artefact="/models/a",
        policy_artefact="/models/b",
        public_url="https://bid.example/",
    )
    assert settings.ledger_url == "redis://cache/0"
    assert settings.catalog_url == "postgresql://db/raybid"
    assert (settings.ctr_dir, settings.policy_dir) == (Path("/models/a"), Path("/models/b"))
    assert settings.notice_url == "https://bid.example"


def test_given_secret_is_used_and_none_is_kept(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path, admin_key="chosen by somebody")
    assert settings.resolve_secret("admin_key") == "chosen by somebody"
    assert not list(tmp_path.iterdir())


def test_kept_secret_is_long_its_owners_alone_and_stays(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path / "var")
    secret = settings.resolve_secret("notice_secret")
    assert len(secret) >= 32
    kept = [path for path in (tmp_path / "var").rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert kept[0].stat().st_mode & 0o777 == 0o600
    assert kept[0].parent.stat().st_mode & 0o077 == 0
    assert Settings(var_dir=tmp_path / "var").resolve_secret("notice_secret") == secret


def test_secrets_differ_by_name_and_by_folder(tmp_path: Path) -> None:
    one, other = Settings(var_dir=tmp_path / "one"), Settings(var_dir=tmp_path / "other")
    secrets = {s.resolve_secret(name) for s in (one, other) for name in ("admin_key", "notice_secret", "user_secret")}
    assert len(secrets) == 6


def test_processes_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    program = "from rtb.runtime.settings import Settings; print(Settings().resolve_secret('notice_secret'))"
    environment = {**os.environ, "RAYBID_VAR_DIR": str(tmp_path), "PYTHONPATH": str(_ROOT)}
    started = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told = {process.communicate()[0].strip() for process in started}
    assert all(process.returncode == 0 for process in started)
    assert told == {Settings(var_dir=tmp_path).resolve_secret("notice_secret")}
    assert len(list((tmp_path / "secrets").iterdir())) == 1  # no draft is left behind


def test_former_notice_secrets_come_after_the_one_that_signs(tmp_path: Path) -> None:
    settings = Settings(
        var_dir=tmp_path,
        notice_secret="the new one of them",
        notice_secrets_previous=" one of the former, two of the former,,",
    )
    assert settings.notice_secrets() == ["the new one of them", "one of the former", "two of the former"]
    assert len(Settings(var_dir=tmp_path).notice_secrets()) == 1


def test_notices_are_honoured_as_long_as_the_settings_say() -> None:
    assert Settings().notice_times == NoticeTimes()
    assert Settings(notice_ttl_app_seconds=7.0).notice_times.of("app") == 7.0


@pytest.fixture
def secret_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mounted"
    folder.mkdir()
    monkeypatch.setenv("RAYBID_SECRETS_DIR", str(folder))
    return folder


def test_secrets_are_read_from_files(secret_files: Path) -> None:
    (secret_files / "raybid_admin_key").write_text("of the file, long enough\n")
    (secret_files / "raybid_redis_url").write_text("redis://:hunter2@redis:6379/0\n")
    (secret_files / "admin_key").write_text("of somebody else")
    settings = Settings()
    assert settings.resolve_secret("admin_key") == "of the file, long enough"
    assert settings.ledger_url == "redis://:hunter2@redis:6379/0"
    assert "hunter2" not in str(settings.shown())


def test_the_environment_goes_before_secret_files(secret_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secret_files / "raybid_admin_key").write_text("of the file, long enough")
    monkeypatch.setenv("RAYBID_ADMIN_KEY", "of the environment, long enough")
    assert Settings().admin_key == "of the environment, long enough"


def test_what_a_secret_file_says_is_checked(secret_files: Path) -> None:
    (secret_files / "raybid_redis_url").write_text("redis.example:6379")
    with pytest.raises(ValidationError, match="redis_url"):
        Settings()


def test_a_folder_of_secrets_that_is_not_there_is_told(secret_files: Path) -> None:
    secret_files.rmdir()
    with pytest.raises(SettingsError, match=r"RAYBID_SECRETS_DIR: .* is not a folder"):
        Settings()
