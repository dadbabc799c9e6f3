"""What the launcher says of a Redis that is not ours, and of models of other code, before it starts anything."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from raybid.local import LaunchError
from raybid.local.checks import check_models
from raybid.local.preparing import check_durability
from rtb.runtime.settings import Settings
from simulation import reference
from tests.conftest import Valkey
from tests.rtb.ledger.servers import running


def check(server: Valkey | None, folder: Path, *, required: bool) -> str:
    """Return what is printed."""
    screen = StringIO()
    url = "" if server is None else f"redis://:a%20password@127.0.0.1:{server.port}/0"
    settings = Settings(redis_url=url, require_durable=required, var_dir=folder)
    check_durability(settings, Console(file=screen))
    return screen.getvalue()


def test_nothing_is_asked_of_the_embedded_server(tmp_path: Path) -> None:
    assert check(None, tmp_path, required=True) == ""


def test_a_server_that_keeps_each_write_needs_no_word(tmp_path: Path) -> None:
    with running("redis", "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "a password") as server:
        assert check(server, tmp_path, required=True) == ""


def test_a_forgetful_server_is_told_or_refused(tmp_path: Path) -> None:
    with running("redis", "--requirepass", "a password") as server:
        assert check(server, tmp_path, required=False).startswith("ledger durability: none: appendonly is no")
        with pytest.raises(LaunchError, match=r"RAYBID_REQUIRE_DURABLE is set, and .* none: appendonly is no"):
            check(server, tmp_path, required=True)


def test_a_server_that_is_away_or_refuses_is_named_without_its_password(free_port: int, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="RAYBID_REDIS_URL does not answer") as away:
        check(Valkey(free_port), tmp_path, required=False)
    with running("redis", "--requirepass", "another") as server, pytest.raises(LaunchError) as refused:
        check(server, tmp_path, required=False)
    assert "password@" not in str(away.value) + str(refused.value)


def test_models_that_replicas_would_refuse_are_told_before_anything_starts(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    check_models(settings)  # none yet: the first run makes them
    shutil.copytree(reference.POLICY, settings.policy_dir)
    check_models(settings)
    meta = settings.policy_dir / "meta.json"
    meta.write_text(meta.read_text().replace("pacing-2", "pacing-1"))
    with pytest.raises(LaunchError, match=r"version pacing-1, this code makes pacing-2: .*remove .*policy"):
        check_models(settings)
