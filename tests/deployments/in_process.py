"""The whole platform in this process, without Ray: Router, stages and Controller on one event loop, a real Valkey."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
import uvicorn

from deployments.app import LocalStages, RemoteStages
from deployments.controller import Controller
from deployments.ctr_model import CTRModel
from deployments.rl_bidder import RLBidder
from deployments.router import Router
from raybid.local.ports import free_port
from rtb.campaigns.campaign import Campaign
from rtb.models import policy
from rtb.models.observation import OBSERVATION_SIZE
from rtb.models.policy import Policy
from rtb.models.registry import Registry
from rtb.runtime.settings import Settings
from tests.conftest import Valkey
from tests.support import until

ADMIN_KEY = "an administrator's key of the tests"


class _Controller(Controller):
    """Without Serve, nobody awaits this."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


class _Handle:
    """What Serve would give: `handle.method.remote(...)`."""

    def __init__(self, target: object) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self._target, name))


class _Bidder(RLBidder):
    """The same."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


class _Stages(LocalStages):
    def __init__(self) -> None:
        self._ctr_model = CTRModel()
        self._rl_bidder = _Bidder()


class _Apart:
    """The handle of a deployment in another process: what goes there and comes back travels as bytes."""

    def __init__(self, target: object) -> None:
        self._target = target

    def options(self, method_name: str, **options: Any) -> SimpleNamespace:
        async def call(*arguments: Any) -> Any:
            answer = await getattr(self._target, method_name)(*pickle.loads(pickle.dumps(arguments)))
            return pickle.loads(pickle.dumps(answer))

        async def all_answers(**bounds: Any) -> list[Any]:
            return [await call()]

        return SimpleNamespace(remote=call, broadcast=lambda name: SimpleNamespace(results_async=all_answers))


class _Composed(RemoteStages):
    """Models and bidder as deployments of their own."""

    def __init__(self) -> None:
        self._parts = CTRModel(), _Bidder()
        super().__init__(*map(_Apart, self._parts))

    async def check_health(self) -> None:
        await asyncio.gather(*(part.check_health() for part in self._parts))


class Platform:
    """A platform that answers at `url`.

    Attributes:
        router: its Router.
        controller: its Controller.
        url: where it listens.
    """

    def __init__(self, router: Router, controller: Controller, port: int) -> None:
        self.router = router
        self.controller = controller
        self.url = f"http://127.0.0.1:{port}"

    def client(self, key: str | None = ADMIN_KEY) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={} if key is None else {"X-API-Key": key}, timeout=30)

    def register(self, *campaigns: Campaign) -> None:
        """Create campaigns, and wait until each slot of theirs is bid on."""
        with self.client() as client:
            before = client.get("/health").json()["campaigns"]
            for campaign in campaigns:
                assert client.post("/campaign/create", content=msgspec.json.encode(campaign)).status_code == 201
            wanted = before + len(campaigns)
            until(lambda: client.get("/health").json()["campaigns"] >= wanted, 20, "the campaigns are not published")
            slot = {"w": 300, "h": 250}
            until(lambda: client.post("/bid", json=slot).json()["bid"], 20, "the campaigns do not bid")


def publish(folder: Path, multiplier: float) -> str:
    """Publish a policy that always multiplies by this, for a platform with this folder; return its version."""
    layer = np.zeros((1, OBSERVATION_SIZE), np.float32), np.zeros(1, np.float32)
    always = Policy((layer,), "tanh", "levels", np.array([multiplier]), "")
    # The level is in the meta: a weight of its own keeps versions apart.
    always.layers[0][1][0] = multiplier
    policy.save(folder / "candidate", always, metrics={}, trained_on="nothing")
    registry = Registry.of(Settings(var_dir=folder), "policy")
    with registry.deciding():
        version = registry.add(folder / "candidate").version
        registry.decide("published", version, "a test")
    return version


@contextmanager
def running(valkey: Valkey, folder: Path, *, composed: bool = False, **settings: Any) -> Iterator[Platform]:
    """Start one with these settings on a free port, and stop it again."""
    port = free_port()
    given = {
        "var_dir": folder,
        "redis_url": f"redis://127.0.0.1:{valkey.port}/0",
        "admin_key": ADMIN_KEY,
        "http_port": port,
        "tick_seconds": 0.2,
        "calls_per_minute": 1_000_000,
        "default_tmax_ms": 5_000,
        **settings,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(f"RAYBID_{name.upper()}", str(value))
        controller = _Controller()
        router = Router(_Composed if composed else _Stages, _Handle(controller))
    app = _Started(router, controller)
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="warning", lifespan="off", timeout_graceful_shutdown=2)
    )
    thread = Thread(target=lambda: asyncio.run(_served(server)), daemon=True)
    thread.start()
    try:
        until(lambda: server.started, every=0.01)
        yield Platform(router, controller, port)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the platform goes on, and its Controller would publish over the next one's"
        router.parts.stores.catalog.close()


async def _served(server: uvicorn.Server) -> None:
    """Serve until the server is told to exit, then end all background work."""
    await server.serve()
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:  # a client's time-out may take a cancellation for its own: then it is told again
            task.cancel()
        await asyncio.wait(others, timeout=0.2)


class _Started:
    """The application; its first request starts the background work, as Serve's health check would."""

    def __init__(self, router: Router, controller: Controller) -> None:
        self._router, self._controller = router, controller
        self._app = router.__serve_build_asgi_app__()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asyncio.gather(self._controller.check_health(), self._router.check_health())
        await self._app(scope, receive, send)
