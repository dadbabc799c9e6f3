"""Deploying elsewhere: what it waits for and what it says. The whole way: `make gcs-check`."""

from __future__ import annotations

import asyncio
import json
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
        await asyncio.to_thread(deploy._await, "the application", server.url, 20.0, {})
    assert "the application is up" in capsys.readouterr().err
    assert next(answers, None) is None


async def test_it_says_what_was_answered_last_when_it_gives_up() -> None:
    async with Server(lambda *_: http(503, b"no leases")) as server:
        with pytest.raises(LaunchError, match=r"not up after 2 s: .* answers 503 no leases"):
            await asyncio.to_thread(deploy._await, "the application", server.url, 1.5, {})


async def test_it_does_not_wait_in_vain() -> None:
    async with Server(lambda *_: http(503, b"no replica")) as server:
        with pytest.raises(LaunchError, match="the application does not start: RAYBID_STORE is not set"):
            await asyncio.to_thread(
                deploy._await, "the application", server.url, 20.0, {}, lambda: "RAYBID_STORE is not set"
            )


def cluster_at(url: str) -> deploy._Cluster:
    """Return the cluster whose dashboard is a server of this test's."""
    return deploy._Cluster(Settings(dashboard_port=int(url.rpartition(":")[2])), {"PATH": "/usr/bin:/bin"})


def test_a_configuration_that_is_refused_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    config = {"http_options": {"host": "127.0.0.1"}, "applications": []}
    with pytest.raises(LaunchError, match=r"`serve deploy` of config\.yaml failed"):
        cluster_at(f"http://127.0.0.1:{free_port()}").deploy(config, "config.yaml")
    assert "deploying" in capfd.readouterr().err


def node(address: str, cpus: float, state: str = "ALIVE") -> dict[str, object]:
    return {"node_ip": address, "state": state, "resources_total": {"CPU": cpus} if cpus else {"memory": 1.0}}


def told(*nodes: dict[str, object]) -> bytes:
    return http(200, json.dumps({"result": True, "data": {"result": {"result": nodes}}}).encode())


async def test_hosts_are_those_that_live_and_hold_replicas() -> None:
    nodes = [
        node("10.0.0.1", 0),
        node("10.0.0.2", 2),
        node("10.0.0.2", 2),
        node("10.0.0.3", 2, "DEAD"),
        node("10.0.0.4", 1),
    ]
    async with Server(lambda *_: told(*nodes)) as server:
        assert await asyncio.to_thread(cluster_at(server.url).await_hosts, 0, 5.0) == 2
        with pytest.raises(LaunchError, match=r"2 hosts with CPUs for replicas after 0 s, wanted 3"):
            await asyncio.to_thread(cluster_at(server.url).await_hosts, 3, 0.0)


async def test_it_waits_for_hosts() -> None:
    answers = iter([http(503, b"starting"), told(node("10.0.0.1", 0)), told(node("10.0.0.1", 0), node("10.0.0.2", 2))])
    async with Server(lambda *_: next(answers)) as server:
        assert await asyncio.to_thread(cluster_at(server.url).await_hosts, 0, 20.0) == 1


async def test_why_serve_gave_up_is_told_once_it_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = "Traceback:\n  File x\ndeployments.hosts.HostsDiffer: RAYBID_STORE is not set\n"
    failed = {
        "status": "DEPLOY_FAILED",
        "message": "Failed to update the deployments ['CTRModel'].",
        "deployments": {"Router": {"message": ""}, "CTRModel": {"message": trace}},
    }
    body = json.dumps({"applications": {"raybid": failed}}).encode()
    async with Server(lambda *_: http(200, body)) as server:
        cluster = cluster_at(server.url)
        assert await asyncio.to_thread(cluster.failure) == ""
        monkeypatch.setattr(deploy, "_FAILED_SECONDS", 0.0)
        assert (await asyncio.to_thread(cluster.failure)).endswith("HostsDiffer: RAYBID_STORE is not set")


def test_what_is_deployed_listens_on_all_addresses_and_is_spread() -> None:
    settings = Settings(http_port=8123)
    one = deploy._configured(ROOT / "serve_config.yaml", "0.0.0.0", settings, 1, 1)
    assert one["http_options"] == {"host": "0.0.0.0", "port": 8123}
    three = deploy._configured(ROOT / "serve_config.yaml", "0.0.0.0", settings, 3, 1)
    by_name = {item["name"]: item for item in three["applications"][0]["deployments"]}
    assert by_name["Router"]["autoscaling_config"]["min_replicas"] == 3


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
