"""Bids and notices come to the Router of this process before Serve's bookkeeping; everything else takes Serve's way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from deployments import ingress
from deployments.ingress import HotPathMiddleware, middlewares, register_front


class Application:
    """Notes what it is asked; passes on what it is told to admit, but for `/refused`."""

    def __init__(self, *, is_at_root: bool = False) -> None:
        self.paths: list[str] = []
        self.is_at_root = is_at_root

    async def admit(self, scope: MutableMapping[str, Any], receive: Any, send: Any, then: Any) -> None:
        if scope["path"] != "/refused":
            await then(scope, receive, send)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])


@pytest.fixture(autouse=True)
def nobody_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ingress._Front, "application", None)
    monkeypatch.setattr(ingress._Front, "loop", None)
    yield


async def channel(*_: Any) -> None:
    """Nobody sends or receives."""


def ask(app: HotPathMiddleware, *paths: str, kind: str = "http") -> None:
    async def call() -> None:
        for path in paths:
            await app({"type": kind, "path": path}, channel, channel)

    asyncio.run(call())


def test_without_a_router_everything_is_for_serve() -> None:
    serve = Application()
    ask(HotPathMiddleware(serve), "/openrtb2/bid", "/health")
    assert serve.paths == ["/openrtb2/bid", "/health"]


async def test_bids_and_notices_are_answered_early() -> None:
    serve, router = Application(), Application()
    app = HotPathMiddleware(serve)
    register_front(router)
    paths = ("/openrtb2/bid", "/openrtb2/one", "/notice/win/x", "/sync/x", "/bid", "/health", "/-/healthz", "/openrtb2")
    for path in paths:
        await app({"type": "http", "path": path}, channel, channel)
    await app({"type": "websocket", "path": "/openrtb2/bid"}, channel, channel)
    assert router.paths == ["/openrtb2/bid", "/openrtb2/one", "/notice/win/x", "/sync/x"]
    assert serve.paths == ["/bid", "/health", "/-/healthz", "/openrtb2", "/openrtb2/bid"]


@pytest.mark.parametrize(
    ("is_at_root", "paths"), [(True, ["/bid", "/-/refused"]), (False, ["/bid", "/refused", "/-/refused"])]
)
async def test_what_is_refused_never_reaches_serve_once_its_paths_are_known(is_at_root: bool, paths: list[str]) -> None:
    serve, router = Application(), Application(is_at_root=is_at_root)
    register_front(router)
    for path in ("/bid", "/refused", "/-/refused"):
        await HotPathMiddleware(serve)({"type": "http", "path": path}, channel, channel)
    assert (serve.paths, router.paths) == (paths, [])


async def test_a_server_on_another_event_loop_leaves_bids_to_serve() -> None:
    serve, router = Application(), Application()
    register_front(router)
    await asyncio.to_thread(ask, HotPathMiddleware(serve), "/openrtb2/bid")  # on a loop of its own
    assert (serve.paths, router.paths) == (["/openrtb2/bid"], [])


def test_serve_is_given_it() -> None:
    classes: list[Any] = [one.cls for one in middlewares()]
    assert classes == [HotPathMiddleware]
