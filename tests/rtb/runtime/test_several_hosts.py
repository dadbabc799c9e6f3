"""What is wrong on several hosts is one line that says what to set."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtb.runtime.settings import Settings
from rtb.runtime.several_hosts import faults, ray_token
from tests.cluster_settings import WRONG, environment, spoilt


def found(told: dict[str, str], patch: pytest.MonkeyPatch, *listening: str) -> list[str]:
    for name, value in told.items():
        patch.setenv(name, value)
    return faults(Settings(), told, listening)


def test_what_is_right_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(environment(tmp_path), monkeypatch, "0.0.0.0", "10.9.0.3") == []


@pytest.mark.parametrize(("name", "value", "line"), WRONG)
def test_what_is_wrong_is_one_line(
    name: str, value: str | None, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (said,) = found(spoilt(tmp_path, name, value), monkeypatch)
    assert said.startswith(line)
    assert ": set it" in said or "unset it" in said or "name one" in said


def test_everything_wrong_at_once_is_a_line_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = found({"RAYBID_VAR_DIR": str(tmp_path)}, monkeypatch)
    assert [line.split()[0] for line in lines] == [
        "RAYBID_REDIS_URL",
        "RAYBID_DATABASE_URL",
        "RAYBID_PUBLIC_URL",
        "RAYBID_ADMIN_KEY",
        "RAYBID_NOTICE_SECRET",
        "RAYBID_USER_SECRET",
        "RAYBID_STORE",
        "RAY_AUTH_MODE",
    ]


def test_an_ingress_on_loopback_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = found(environment(tmp_path), monkeypatch, "127.0.0.1")
    assert "http_options.host" in line
    assert "0.0.0.0" in line


def test_a_proxy_with_tls_may_be_on_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(environment(tmp_path) | {"RAYBID_PUBLIC_URL": "https://localhost"}, monkeypatch) == []


def test_an_endpoint_in_the_environment_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = environment(tmp_path) | {"RAYBID_STORE": "s3://raybid/a", "AWS_ENDPOINT_URL": "http://localhost:9000"}
    (line,) = found(told, monkeypatch)
    assert line.startswith("RAYBID_STORE's endpoint is on localhost")


def test_no_line_repeats_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = environment(tmp_path) | {
        "RAYBID_REDIS_URL": "redis://:hunter2hunter2@127.0.0.1/0",
        "RAYBID_DATABASE_URL": "postgresql://raybid:hunter2@localhost/raybid",
    }
    lines = found(told, monkeypatch)
    assert len(lines) == 2
    assert "hunter2" not in "".join(lines)


def test_the_token_is_in_the_environment_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of a file\n")
    path = {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    assert ray_token({}) == ""
    assert ray_token(path) == "of a file"
    assert ray_token(path | {"RAY_AUTH_TOKEN": "of a shell"}) == "of a shell"


def test_a_file_of_the_token_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = spoilt(tmp_path, "RAY_AUTH_TOKEN", None) | {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")}
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    (line,) = found(told, monkeypatch)
    assert line.startswith("RAY_AUTH_TOKEN_PATH cannot be read")
