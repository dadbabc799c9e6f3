"""Other machines reach nothing of a local platform, and other users of this one read and run nothing of it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import httpx
import psutil
import pytest
from ray.core.generated import ray_client_pb2, ray_client_pb2_grpc

from raybid.local import Platform
from raybid.local.environment import LOOPBACK, authentication, client_environment, dashboard_headers
from raybid.local.folders import run_folder
from raybid.local.listeners import listeners
from rtb.runtime.settings import Settings

pytestmark = pytest.mark.cluster

RUNS = """
import sys, ray
ray.init(sys.argv[1], logging_level="ERROR", log_to_driver=False)
print(ray.get(ray.remote(num_cpus=0)(lambda: "ran").remote()))
"""
TOKENS = ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "guessed" * 5})


def of_platform(platform: Platform) -> Iterator[psutil.Process]:
    """Ray and all that it started; the ledger's server came of this process, below a guard."""
    head = psutil.Process(platform.ray_pid)
    yield from (head, *head.children(recursive=True))
    yield from (one for one in psutil.Process().children(recursive=True) if "valkey" in one.name())


def connects(address: str, told: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-c", RUNS, address], env=kept | told, capture_output=True, text=True, timeout=200, check=False
    )


def test_nothing_listens_beyond_the_loopback_addresses(platform: Platform) -> None:
    found = [one for process in of_platform(platform) for one in listeners(process.pid)]
    names = " ".join(one.process for one in found)
    for part in ("gcs_server", "raylet", "haproxy", "valkey", "ServeReplica:raybid:Router", "DashboardAgent"):
        assert part in names
    assert [str(one) for one in found if not one.is_loopback] == []


@pytest.mark.parametrize("path", ["/api/jobs/", "/api/version", "/api/serve/applications/", "/nodes?view=summary"])
def test_the_dashboard_answers_nobody_without_the_token(platform: Platform, settings: Settings, path: str) -> None:
    url = f"http://127.0.0.1:{settings.dashboard_port}{path}"
    good = dashboard_headers(authentication(settings))
    rebound = {"Host": "attacker.example", "Origin": "http://attacker.example", "User-Agent": "Mozilla/5.0"}
    wrong = {"Authorization": "Bearer guessed"}
    answers = [httpx.get(url, headers=headers).status_code for headers in ({}, rebound, wrong, rebound | wrong, good)]
    assert answers == [401, 401, 403, 403, 200]


def test_nobody_submits_a_job_without_the_token_and_no_page_with_it(platform: Platform, settings: Settings) -> None:
    url = f"http://127.0.0.1:{settings.dashboard_port}/api/jobs/"
    good = dashboard_headers(authentication(settings))
    page = {"Origin": f"http://127.0.0.1:{settings.dashboard_port}", "User-Agent": "Mozilla/5.0"}
    body = {"entrypoint": "true"}
    answers = [httpx.post(url, headers=headers, json=body).status_code for headers in ({}, page, good | page)]
    assert answers == [401, 401, 405]


def test_the_agent_takes_no_job_without_the_token(platform: Platform, settings: Settings) -> None:
    (port,) = (run_folder(settings) / "ray" / "session_latest").glob("dashboard_agent_listen_port_*")
    answer = httpx.post(f"http://127.0.0.1:{port.read_text()}/api/job_agent/jobs/", json={"entrypoint": "true"})
    assert answer.status_code == 401


@pytest.mark.timeout(300)
@pytest.mark.parametrize("told", TOKENS, ids=["no token", "a guess"])
def test_nobody_runs_a_task_without_the_token(platform: Platform, settings: Settings, told: dict[str, str]) -> None:
    done = connects(f"127.0.0.1:{settings.ray_port}", told | LOOPBACK)
    assert done.returncode != 0
    assert "ran" not in done.stdout


@pytest.mark.timeout(300)
def test_who_has_the_token_runs_a_task(platform: Platform, settings: Settings) -> None:
    told = client_environment(settings)
    done = connects(told["RAY_ADDRESS"], told)
    assert (done.stdout.strip(), done.returncode) == ("ran", 0), done.stderr


def test_the_client_server_answers_nobody_without_the_token(platform: Platform, settings: Settings) -> None:
    good = dashboard_headers(authentication(settings))["Authorization"]
    with grpc.insecure_channel(f"127.0.0.1:{settings.ray_client_port}") as channel:
        server = ray_client_pb2_grpc.RayletDriverStub(channel)
        for shown in ((), (("authorization", "Bearer guessed"),), (("authorization", good),)):
            try:
                server.Init(ray_client_pb2.InitRequest(), metadata=(("client_id", "nobody"), *shown), timeout=30)
                code = grpc.StatusCode.OK
            except grpc.RpcError as error:
                code = error.code()
            assert (code == grpc.StatusCode.UNAUTHENTICATED) == (good not in dict(shown).values())


def test_other_users_read_nothing_of_it(platform: Platform, settings: Settings) -> None:
    for folder in (settings.var_dir, run_folder(settings)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        # Ray opens folders of its own to all; the one around them is closed.
        ours = [path for path in folder.rglob("*") if path.is_file() or path.is_socket()]
        assert [str(path) for path in ours if path.lstat().st_mode & 0o077 and "/ray/" not in str(path)] == []
    sockets = [path for path in run_folder(settings).rglob("*") if path.is_socket()]
    assert {"admin.sock", "raylet", "plasma_store"} <= {path.name for path in sockets}
    assert [path.name for path in sockets if path.lstat().st_mode & 0o077] == []


def test_no_secret_is_in_a_command_line(platform: Platform, settings: Settings) -> None:
    secrets = [path.read_text() for path in Path(settings.var_dir / "secrets").iterdir()]
    assert len(secrets) >= 4
    lines = [" ".join(process.cmdline()) for process in of_platform(platform)]
    assert [line for line in lines if any(secret in line for secret in secrets)] == []
