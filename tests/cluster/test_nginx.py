"""The nginx of `cluster/nginx`, really started, in front of a server that is none of ours."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from raybid.local import LaunchError
from raybid.local.nginx import CONFIGURATION, Proxy, binary, nginx, prepare
from raybid.local.ports import free_port
from simulation.exchange.client import HttpClient, TransportError
from tests.fake_platform import Server, http
from tests.support import require_package

Answer = Callable[[str, str, bytes], bytes]


@pytest.fixture(autouse=True)
def _needs_nginx() -> None:
    require_package(binary(), "nginx-light")
    require_package(shutil.which("openssl"), "openssl")


def through(folder: Path, answer: Answer, call: Callable[[Proxy, Server], Coroutine[Any, Any, Any]]) -> Any:
    """Return what `call` returns with a server behind a proxy."""

    async def main() -> Any:
        async with Server(answer) as server:
            with nginx(folder, free_port(), [server.url.removeprefix("http://")]) as proxy:
                return await call(proxy, server)

    return asyncio.run(main())


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Proxy]:
    """Yield a proxy with no server behind it."""
    with nginx(tmp_path, free_port(), [f"127.0.0.1:{free_port()}"]) as proxy:
        yield proxy


def test_connections_to_the_ingress_are_kept(tmp_path: Path) -> None:
    async def call(proxy: Proxy, server: Server) -> tuple[set[int], int]:
        async with HttpClient(ca=proxy.ca) as client:
            answers = [await client.post(f"{proxy.url}/openrtb2/bid", b"{}") for _ in range(100)]
        return {answer.status for answer in answers}, server.connections

    statuses, connections = through(tmp_path, lambda *_: http(204, b""), call)
    assert statuses == {204}
    assert connections <= 4  # one a worker process, on a machine of few


def test_what_is_for_inside_is_not_there(tmp_path: Path) -> None:
    hidden = ["/metrics", "/metrics/", "/stats?x=1", "/admin/keys", "/admin/settings", "/health"]
    disguised = ["//metrics", "/%6detrics", "/portfolio/../metrics", "/./stats"]
    shown = ["/health/live", "/health/ready", "/campaigns", "/openrtb2/bid", "/notice/win/x", "/sync/acme", "/bid"]

    async def call(proxy: Proxy, server: Server) -> dict[str, int]:
        async with HttpClient(ca=proxy.ca) as client:
            return {path: (await client.get(proxy.url + path)).status for path in [*hidden, *disguised, *shown]}

    statuses = through(tmp_path, lambda *_: http(200, b"shown"), call)
    assert {statuses[path] for path in (*hidden, *disguised)} == {404}
    assert {statuses[path] for path in shown} == {200}


def test_a_body_too_large_for_a_bid_is_refused(tmp_path: Path) -> None:
    async def call(proxy: Proxy, server: Server) -> list[int]:
        async with HttpClient(ca=proxy.ca) as client:
            sizes = (1_000_000, 1_100_000)
            return [(await client.post(f"{proxy.url}/openrtb2/bid", b" " * size)).status for size in sizes]

    assert through(tmp_path, lambda *_: http(204, b""), call) == [204, 413]


async def test_bids_that_nobody_waits_for_are_given_up(tmp_path: Path) -> None:
    async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with await asyncio.start_server(stuck, "127.0.0.1", free_port()) as server:
        host, port = server.sockets[0].getsockname()
        with nginx(tmp_path, free_port(), [f"{host}:{port}"]) as proxy:
            async with HttpClient(ca=proxy.ca) as client:
                began = asyncio.get_running_loop().time()
                answer = await client.post(f"{proxy.url}/openrtb2/bid", b"{}")
                seconds = asyncio.get_running_loop().time() - began
    assert answer.status == 504
    assert 1.5 < seconds < 4


async def test_a_request_goes_to_another_server_where_the_first_is_away(tmp_path: Path) -> None:
    async with Server(lambda *_: http(204, b"")) as server:
        upstream = [f"127.0.0.1:{free_port()}", server.url.removeprefix("http://")]
        with nginx(tmp_path, free_port(), upstream) as proxy:
            async with HttpClient(ca=proxy.ca) as client:
                assert (await client.post(f"{proxy.url}/openrtb2/bid", b"{}")).status == 204


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("post", "/openrtb2/bid", 204),
        ("post", "/bid", 204),
        ("get", "/notice/win/x", 204),
        ("get", "/campaigns", 204),
        ("post", "/campaign/create", 404),  # perhaps it was carried out
    ],
)
async def test_a_head_without_an_application_is_passed_over(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    async with Server(lambda *_: http(404, b"")) as head, Server(lambda *_: http(204, b"")) as worker:
        upstream = [head.url.removeprefix("http://"), f"{worker.url.removeprefix('http://')} backup"]
        with nginx(tmp_path, free_port(), upstream) as proxy:
            async with HttpClient(ca=proxy.ca) as client:
                url = proxy.url + path
                assert (await (client.get(url) if method == "get" else client.post(url, b"{}"))).status == status


@pytest.mark.parametrize(("version", "taken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_old_tls_is_refused(silent: Proxy, version: str, taken: bool) -> None:
    context = ssl.create_default_context(cafile=str(silent.ca))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else the client itself refuses TLS 1.1
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    if taken:
        assert httpx.get(f"{silent.url}/health/live", verify=context).status_code == 502
    else:
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{silent.url}/health/live", verify=context)


async def test_a_caller_that_does_not_trust_the_authority_is_told(silent: Proxy) -> None:
    async with HttpClient() as client:
        with pytest.raises(TransportError, match="certificate"):
            await client.get(f"{silent.url}/health/live")


def test_the_two_files_of_compose_are_taken(tmp_path: Path) -> None:
    """With the names of its services and its secrets replaced: they are there only in its network."""
    prefix = prepare(tmp_path, free_port(), ["127.0.0.1:1"])
    for name in ("upstream.conf", "listen.conf"):
        text = (CONFIGURATION.parent / name).read_text()
        text = text.replace("head:", "127.0.0.1:").replace("worker:", "127.0.0.2:")
        (tmp_path / "conf" / name).write_text(text.replace("/run/secrets", str(tmp_path / "secrets")))
    tested = subprocess.run(
        [str(binary()), "-t", "-p", f"{prefix}/", "-c", str(tmp_path / "conf" / "nginx.conf")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr


def test_a_planted_error_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = tmp_path / "nginx.conf"
    planted.write_text(CONFIGURATION.read_text().replace("server_tokens off;", "server_token off;"))
    monkeypatch.setattr("raybid.local.nginx.CONFIGURATION", planted)
    with pytest.raises(LaunchError, match="server_token"), nginx(tmp_path / "at", free_port(), ["127.0.0.1:1"]):
        pass
