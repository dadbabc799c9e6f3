"""Published models: the Controller publishes the champions, replicas load them and report what they serve.

A model travels whole through the ledger's server, like catalog and pacing table, so that replicas need no access to the
store that the registry is in.
(Serve's `user_config` belongs to whoever deploys: under KubeRay the operator would reset it.)
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import msgspec
import redis.asyncio as aioredis
from ray import serve
from ray.serve.exceptions import RayServeException
from redis.exceptions import RedisError

from deployments.readiness import LastAnswer
from deployments.wiring import describe, logger
from rtb.models.artefacts import ArtefactError, load_packed, pack, read_meta
from rtb.models.registry import KINDS, Kind, Registry, RegistryError
from rtb.pacing.snapshot import SnapshotPublisher, SnapshotSubscriber, model_key, staged_model_key
from rtb.runtime.quarantine import Fault

_REPORT_SECONDS = 5.0
_UPLOAD_SECONDS = 30 * 86_400
_GONE_SECONDS = 4 * _REPORT_SECONDS
"""A replica without a report for so long is gone."""

State = Literal["ok", "refused", "pinned"]

_Model = TypeVar("_Model")


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """The model that one replica serves.

    Attributes:
        replica: its id.
        version: of its model.
        state: `ok`; `refused`: it could not load what was published and serves what it had; `pinned`: its
            configuration names the model.
        since: Unix time it loaded the model.
        refused: why it refused another one; empty when it did not.
        at: Unix time of this report.
    """

    replica: str
    version: str
    state: State
    since: float
    refused: str
    at: float


async def _keep_nothing(kind: Kind, version: str, body: bytes) -> None:
    """Store nothing: for a platform where nobody explains bids."""


class ModelPublisher:
    """The Controller's side: publishes the champions of the registry to the replicas.

    Args:
        client: of the server that replicas look at.
        registries: of each kind.
        keep: stores each champion (kind, version, bytes) before it is published.
    """

    def __init__(
        self,
        client: aioredis.Redis,
        registries: Iterable[Registry],
        keep: Callable[[Kind, str, bytes], Awaitable[None]] = _keep_nothing,
    ) -> None:
        self._client: Any = client
        self._keep = keep
        self._publisher = SnapshotPublisher(client)
        self._faults: dict[Kind, Fault] = {}
        self._registries: dict[Kind, Registry] = {registry.kind: registry for registry in registries}

    @property
    def faults(self) -> list[Fault]:
        """Champions that cannot be published: the ones before go on serving."""
        return [*self._faults.values()]

    async def publish_champions(self) -> None:
        """Publish each champion that the server does not have: a new one, or any on a wiped server.

        Raises:
            RedisError: the server is unavailable.
        """
        for kind, registry in self._registries.items():
            try:
                await self._publish_champion(kind, registry)
            except (ArtefactError, RegistryError, OSError) as error:
                self._faults[kind] = Fault.of("model", kind, error)
            else:
                self._faults.pop(kind, None)

    async def _publish_champion(self, kind: Kind, registry: Registry) -> None:
        champion = await asyncio.to_thread(registry.champion)
        if champion is None:
            return
        # Its own version, as replicas tell it: a release that named models otherwise may have named its folder.
        version = (await asyncio.to_thread(read_meta, champion, kind)).version
        if version == await self._publisher.published(model_key(kind)):
            return
        body = await asyncio.to_thread(pack, champion)
        await self._keep(kind, version, body)
        await self._publisher.publish(model_key(kind), body, version)
        logger.info(f"{kind} model {version} is published, {len(body):,} bytes")


class ModelFeed(Generic[_Model]):
    """A replica's side: follows the published model.

    Args:
        kind: of the model.
        client: of the server that has it.
        folder: of the model that serves until one is published.
        load: reads a model from a folder.
        take: swaps the model in; called on the event loop, between two batches.

    Raises:
        ArtefactError: what is in the folder cannot be used.
    """

    def __init__(
        self,
        kind: Kind,
        client: aioredis.Redis,
        folder: Path,
        load: Callable[[Path], _Model],
        take: Callable[[_Model], None],
    ) -> None:
        self._kind = kind
        self._client: Any = client
        self._subscriber = SnapshotSubscriber(client, model_key(kind))
        self._folder, self._load, self._take = folder, load, take
        self._replica = _replica()
        self._pinned = ""
        self._is_caught_up = False
        self._to_upload: Path | None = None
        self._reported = -_REPORT_SECONDS
        self._answered = LastAnswer()
        self._serve(*self._loaded(folder), folder)

    @property
    def told(self) -> dict[str, Any]:
        """Description of the model in use; under `refused` why a published one is not."""
        return self._told | ({"refused": self._refused} if self._refused else {})

    @property
    def lacks(self) -> list[str]:
        """Parts that the replica lacks to serve what is published: `ledger`, `model`."""
        missing = [] if self._answered.is_fresh() else ["ledger"]
        return [*missing, "model"] if self._refused else missing

    async def pin(self, folder: str) -> None:
        """Serve the model in a folder whatever is published; for an empty name, the published one.

        Raises:
            ArtefactError: there is none that can be used.
        """
        if folder == self._pinned:
            return
        path = Path(folder) if folder else self._folder
        model, told = await asyncio.to_thread(self._loaded, path)
        self._pinned = folder
        self._serve(model, told, path)
        self._subscriber.forget()

    async def catch_up(self) -> None:
        """Load the published model before the first request, once; go on without where the server is unavailable."""
        if self._is_caught_up:
            return
        self._is_caught_up = True
        try:
            await self.pull()
        except (RedisError, OSError) as error:
            logger.warning(f"what {self._kind} model is published is not known yet: {error}")

    async def pull(self) -> None:
        """Load a model published since the last call, and report now and then what is served.

        Raises:
            RedisError: the server is unavailable.
        """
        if self._to_upload is not None:
            await self._upload(self._to_upload)
        body = await self._subscriber.pull()
        self._answered.note()
        if body is not None and not self._pinned:
            await self._load_published(body)
            self._answered.note()  # loading may have taken long
        if time.monotonic() - self._reported >= _REPORT_SECONDS:
            await self._report()

    async def _load_published(self, body: bytes) -> None:
        """Load a model in a thread and swap it in on the event loop: requests go on, and no batch sees two models."""
        version = self._subscriber.version
        try:
            model, told = await asyncio.to_thread(load_packed, body, self._loaded)
        except (ArtefactError, OSError) as error:
            self._refused = f"{version}: {error}"
            self._reported = -_REPORT_SECONDS
            logger.error(f"{self._kind} model {version} cannot be used, {self._told['version']} serves on: {error}")
            return
        self._serve(model, told)
        logger.info(f"{self._kind} model {version} serves")

    def _loaded(self, folder: Path) -> tuple[_Model, dict[str, Any]]:
        return self._load(folder), describe(folder)

    async def _upload(self, folder: Path) -> None:
        """Upload a model that was never published, for the Controller to explain bids by."""
        version = self._told["version"]
        try:
            body = await asyncio.to_thread(pack, folder)
        except ArtefactError as error:
            logger.warning(f"bids by {self._kind} model {version} cannot be explained: {error}")
        else:
            await self._client.set(staged_model_key(self._kind, version), body, ex=_UPLOAD_SECONDS)
        self._to_upload = None

    def _serve(self, model: _Model, told: dict[str, Any], folder: Path | None = None) -> None:
        """Serve a model; one from a folder of this machine is uploaded at the next `pull`."""
        self._take(model)
        self._to_upload = None if told["version"] == "prior" else folder
        self._told = told
        self._refused = ""
        self._since = time.time()
        self._reported = -_REPORT_SECONDS

    async def _report(self) -> None:
        state: State = "pinned" if self._pinned else "refused" if self._refused else "ok"
        said = Serving(
            replica=self._replica,
            version=self._told["version"],
            state=state,
            since=self._since,
            refused=self._refused,
            at=time.time(),
        )
        await self._client.hset(_key(self._kind), self._replica, msgspec.json.encode(said))
        self._reported = time.monotonic()


async def champions(client: aioredis.Redis) -> Mapping[Kind, str | None]:
    """Return the published version of each kind; `None` where nothing was published.

    Raises:
        RedisError: the server is unavailable.
    """
    publisher = SnapshotPublisher(client)
    return {kind: await publisher.published(model_key(kind)) for kind in KINDS}


async def served(client: aioredis.Redis, kind: Kind) -> list[Serving]:
    """Return the last report of each live replica; delete those of others.

    Raises:
        RedisError: the server is unavailable.
    """
    anything: Any = client
    rows = await anything.hgetall(_key(kind))
    said = [msgspec.json.decode(row, type=Serving) for row in rows.values()]
    gone = [one.replica for one in said if one.at < time.time() - _GONE_SECONDS]
    if gone:
        await anything.hdel(_key(kind), *gone)
    return sorted((one for one in said if one.replica not in gone), key=lambda one: one.replica)


def _key(kind: Kind) -> str:
    return f"raybid:serving:{kind}"


def _replica() -> str:
    """Return the replica's id as Serve shows it; outside Serve, one of the process."""
    try:
        return str(serve.get_replica_context().replica_id.unique_id)
    except RayServeException:
        return f"{socket.gethostname()}-{os.getpid()}"
