"""What a platform's processes are told keeps other users and other machines out, whatever the shell says."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from raybid.local.environment import (
    authentication,
    client_environment,
    dashboard_headers,
    environment,
    make_private,
)
from raybid.local.folders import run_folder
from rtb.runtime.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var_dir=tmp_path / "var")


@pytest.fixture(autouse=True)
def _umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_shell_cannot_switch_authentication_off(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of somebody else")
    told = environment(settings)
    assert told["RAY_AUTH_MODE"] == "token"
    assert "RAY_AUTH_TOKEN" not in told
    token = Path(told["RAY_AUTH_TOKEN_PATH"])
    assert (len(token.read_text()) >= 32, mode(token)) == (True, 0o600)
    assert dashboard_headers(told) == {"Authorization": f"Bearer {token.read_text()}"}


def test_clients_are_told_the_same_token(settings: Settings) -> None:
    told = client_environment(settings)
    assert authentication(settings).items() <= told.items()
    assert told["RAY_TMPDIR"] == environment(settings)["RAY_TMPDIR"]


def test_sockets_and_logs_lie_in_a_folder_of_this_user_with_a_short_name(settings: Settings) -> None:
    folder = run_folder(settings)
    assert (mode(folder), folder.stat().st_uid) == (0o700, os.geteuid())
    assert len(str(folder)) <= 29
    assert (settings.var_dir / "run").resolve() == folder
    assert run_folder(settings) == folder
    assert {
        str(Path(value).parent) for name, value in environment(settings).items() if name.endswith("SOCKET_PATH")
    } == {str(folder)}


def test_a_long_folder_for_temporary_files_is_not_used(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert len(str(run_folder(settings))) <= 29


@pytest.mark.parametrize("spoilt", ["gone", "open", "a link"])
def test_a_folder_that_is_not_ours_alone_any_more_is_left_for_a_new_one(
    settings: Settings, tmp_path: Path, spoilt: str
) -> None:
    before = run_folder(settings)
    if spoilt == "open":
        before.chmod(0o755)
    else:
        shutil.rmtree(before)
    if spoilt == "a link":
        before.symlink_to(tmp_path)
    assert run_folder(settings) != before


def test_what_others_could_read_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    (folder / "events").mkdir(parents=True)
    (folder / "events" / "a.parquet").write_text("")
    (folder / "events" / "a.parquet").chmod(0o666)
    (outside := tmp_path / "outside").write_text("")
    outside.chmod(0o644)
    (folder / "link").symlink_to(outside)
    make_private(folder)
    assert [mode(path) for path in (folder, folder / "events", folder / "events" / "a.parquet")] == [
        0o700,
        0o700,
        0o600,
    ]
    assert mode(outside) == 0o644
    (folder / "later").write_text("")
    assert mode(folder / "later") == 0o600
