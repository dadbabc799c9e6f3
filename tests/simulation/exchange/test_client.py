"""The light HTTP client against servers that behave and servers that do not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
import uvloop

from simulation.exchange.client import HttpClient, Response, TransportError, parse_url
from tests.fake_platform import Server, http

Answer = Callable[[str, str, bytes], bytes]
Run = Callable[[Coroutine[Any, Any, Any]], Any]
Fetch = Callable[..., tuple[list[Response], int]]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Return a function that runs a coroutine, on either event loop: their transports differ."""
    return request.param


@pytest.fixture
def fetch(run: Run) -> Fetch:
    return lambda answer, times=1: _fetch(run, answer, times)


def _fetch(run: Run, answer: Answer, times: int) -> tuple[list[Response], int]:
    """GET a few times, one after the other; the answers, and how many connections that took."""

    async def main() -> tuple[list[Response], int]:
        async with Server(answer) as server, HttpClient() as client:
            return [await client.get(f"{server.url}/x") for _ in range(times)], server.connections

    return run(main())


def test_reads_a_body_with_a_length_and_keeps_the_connection(fetch: Fetch):
    responses, connections = fetch(lambda *_: http(200, b"hello"), times=3)
    assert [(r.status, r.body) for r in responses] == [(200, b"hello")] * 3
    assert connections == 1


def test_reads_a_chunked_body(fetch: Fetch):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    responses, connections = fetch(lambda *_: chunked, times=2)
    assert [r.body for r in responses] == [b"hello"] * 2
    assert connections == 1


def test_reads_a_body_that_ends_with_its_connection(fetch: Fetch):
    responses, connections = fetch(lambda *_: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", times=2)
    assert [r.body for r in responses] == [b"hello"] * 2
    assert connections == 2


def test_does_not_reuse_a_connection_the_server_wants_closed(fetch: Fetch):
    _, connections = fetch(lambda *_: http(204, b"", "Connection: close"), times=3)
    assert connections == 3


def test_reads_status_and_location_without_following(fetch: Fetch):
    [response], _ = fetch(lambda *_: http(302, b"", "Location: https://shop.example/?a=1"))
    assert (response.status, response.location) == (302, "https://shop.example/?a=1")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 204 X\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 204 X\r\n\r\nbody",
        b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ],
    ids=["with a length", "without a length", "chunked"],
)
def test_shows_a_body_where_none_may_be(fetch: Fetch, raw: bytes):
    [response], _ = fetch(lambda *_: raw)
    assert response.status == 204
    assert response.body


def test_a_204_without_length_has_no_body_and_keeps_the_connection(fetch: Fetch):
    responses, connections = fetch(lambda *_: b"HTTP/1.1 204 X\r\n\r\n", times=2)
    assert [r.body for r in responses] == [b"", b""]
    assert connections == 1


def test_reconnects_when_the_server_closed_an_idle_connection(run: Run):
    async def main() -> int:
        answers = iter([http(200), b"", http(200)])  # the second closes the connection instead of answering
        async with Server(lambda *_: next(answers)) as server, HttpClient() as client:
            await client.get(server.url)
            assert (await client.get(server.url)).status == 200
            return server.connections

    assert run(main()) == 2


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200 X\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhalf", "broke off"),
        (b"SSH-2.0-OpenSSH\r\nConnection: close\r\n", "not HTTP"),
    ],
    ids=["closed", "half an answer", "another protocol"],
)
def test_a_broken_answer_is_a_transport_error(fetch: Fetch, raw: bytes, message: str):
    with pytest.raises(TransportError, match=message):
        fetch(lambda *_: raw)


def test_a_late_answer_is_a_transport_error_and_its_connection_is_not_reused(run: Run):
    async def main() -> int:
        accepted = 0

        async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal accepted
            accepted += 1
            await reader.read()
            writer.close()

        server = await asyncio.start_server(never, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with HttpClient(timeout_seconds=0.05) as client:
            for _ in range(2):
                with pytest.raises(TransportError, match="within"):
                    await client.get(url)
        server.close()
        return accepted

    assert run(main()) == 2


def test_a_refused_connection_is_a_transport_error(run: Run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"

        async def main() -> None:
            async with HttpClient() as client:
                with pytest.raises(TransportError):
                    await client.get(url)
                with pytest.raises(TransportError, match="cannot connect"):
                    await client.probe(url)

        run(main())


@pytest.mark.parametrize("url", ["", "ftp://host/x", "/relative", "http://", "http://host:port/"])
def test_what_is_no_http_url_is_a_transport_error(url: str):
    with pytest.raises(TransportError):
        parse_url(url)


def test_a_url_cannot_smuggle_header_lines():
    target = parse_url("http://host:81/a b\u00e9?x=\x01\x0b 1&y=%20")
    assert target.path == "/a%20b%C3%A9?x=%01%0B%201&y=%20"
    assert target.authority == "host:81"
    assert not any(c in parse_url("http://host/a\r\nX: 1?q=\r\nY: 2").path for c in "\r\n ")


def test_posts_a_body_to_a_real_server(run: Run):
    """Against uvicorn, so that client and test server cannot share a misreading of HTTP."""
    got: list[tuple[str, bytes, dict[bytes, bytes]]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        got.append((scope["path"], body, dict(scope["headers"])))
        await send({"type": "http.response.start", "status": 200, "headers": []})  # no length: chunked
        await send({"type": "http.response.body", "body": body[::-1]})

    async def main() -> list[Response]:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            config = uvicorn.Config(app, log_level="critical", lifespan="off")
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve([listening]))
            while not server.started:
                await asyncio.sleep(0.01)
            async with HttpClient() as client:
                url = f"http://127.0.0.1:{listening.getsockname()[1]}/openrtb2/bid"
                responses = [await client.post(url, b"x" * n, "X-API-Key: k\r\n") for n in (1, 300_000)]
            server.should_exit = True
            await serving
            return responses

    responses = run(main())
    assert [len(r.body) for r in responses] == [1, 300_000]
    assert [(path, len(body), headers[b"x-api-key"]) for path, body, headers in got] == [
        ("/openrtb2/bid", 1, b"k"),
        ("/openrtb2/bid", 300_000, b"k"),
    ]
