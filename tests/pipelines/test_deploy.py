"""Deploying elsewhere: what it waits for and what it says. The whole way: `make gcs-check`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import deploy
from raybid.local import LaunchError
from raybid.local.environment import ROOT, dashboard_headers
from raybid.local.ports import free_port
from rtb.runtime.settings import Settings
from tests.fake_platform import Server, http


async def test_it_waits_until_the_answer_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([http(503, b"starting"), http(200, b"{}")])
    async with Server(lambda *_: next(answers)) as server:
        await asyncio.to_thread(deploy._await, "the application", server.url, 20.0)
    assert "the application is up" in capsys.readouterr().err
    assert next(answers, None) is None


async def test_it_says_what_was_answered_last_when_it_gives_up() -> None:
    async with Server(lambda *_: http(503, b"no leases")) as server:
        with pytest.raises(LaunchError, match=r"not up after 2 s: .* answers 503 no leases"):
            await asyncio.to_thread(deploy._await, "the application", server.url, 1.5)


def test_a_configuration_that_is_refused_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("http_options: {host: 127.0.0.1}\napplications: []\n")
    with pytest.raises(LaunchError, match=r"`serve deploy` of .*config\.yaml failed"):
        deploy._deploy(config, "0.0.0.0", f"http://127.0.0.1:{free_port()}", Settings())
    assert "deploying" in capfd.readouterr().err


def test_a_setting_that_is_none_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.deploy"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "RAYBID_HTTP_PORT": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("deploy: RAYBID_HTTP_PORT")


def test_the_token_of_ray_is_sent_where_nodes_ask_for_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of a test\n")
    path = {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    assert dashboard_headers({"RAY_AUTH_MODE": "token", **path}) == {"Authorization": "Bearer of a test"}
    assert dashboard_headers({"RAY_AUTH_MODE": "disabled", **path}) == {}


@pytest.mark.parametrize("name", ["RAYBID_REQUIRE_EXCHANGE_KEY", "RAYBID_REQUIRE_REPORT_KEY"])
def test_what_is_published_is_not_deployed_without_keys(name: str, tmp_path: Path) -> None:
    """It listens on all addresses, whatever else the settings say."""
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.deploy"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "RAYBID_VAR_DIR": str(tmp_path), name: "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "0.0.0.0" in line
    assert f"{name}=true" in line
