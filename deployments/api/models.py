"""Models: which is published and how that came about, which each replica serves; publish one, and go back to one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import redis.asyncio as aioredis
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from deployments import publishing
from deployments.api import bodies, examples
from deployments.api.access import Caller, Needs
from deployments.api.documents import body, responses
from deployments.api.problems import Problem
from deployments.models import Serving, champions, served
from deployments.publishing import JobsAway, JobUnknown, NoCluster, Publication
from deployments.wiring import logger
from rtb.models.artefacts import ArtefactError, below, read_meta
from rtb.models.registry import Decision, Kind, Record, Registry, RegistryError
from rtb.runtime.settings import Settings


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which model is to serve again, and why.

    Attributes:
        to: its version; none: the one before the one that serves.
        reason: for the history.
    """

    to: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{12}$(?!\n)")] | None = None
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] = "by hand"


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trained model that is to serve.

    Attributes:
        folder: of its artefact, on the platform's machine.
        force: reason to publish it whatever its comparison with the champion says; none: the gate decides.
    """

    folder: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    force: Annotated[str, msgspec.Meta(max_length=500)] = ""


def routes(client: aioredis.Redis, settings: Settings) -> APIRouter:
    """The calls about models."""
    found = APIRouter(tags=["figures"])
    admin = Depends(Needs("admin"))

    @found.get("/models", summary="The published models, and what each replica serves", responses=responses("Models"))
    async def models(caller: Caller = admin) -> dict[str, Any]:
        """`published` is null until something was; a replica in `refused` says why it serves what it had.

        What is known of the models themselves is in `/admin/artefacts`, the history in `/models/{kind}`.
        """
        return {
            kind: {"published": version, "replicas": [_shown(one) for one in await served(client, kind)]}
            for kind, version in (await champions(client)).items()
        }

    _record_routes(found, settings)
    _publish_routes(found, settings)
    return found


def _record_routes(found: APIRouter, settings: Settings) -> None:
    admin = Depends(Needs("admin"))

    @found.get(
        "/models/{kind}",
        summary="How it came about that the published model is the published one",
        responses=responses("ModelRecord", also=(503,)),
    )
    async def record(kind: Kind, caller: Caller = admin) -> dict[str, Any]:
        """`former` is what a rollback leads to. Decisions are oldest first, refusals and their figures included."""
        known = await asyncio.to_thread(_read, Registry(settings.published_dir, kind))
        return {
            "champion": known.champion,
            "former": known.former(),
            "history": [_decided(decision) for decision in known.history],
        }

    @found.post(
        "/models/{kind}/rollback",
        summary="Make an earlier published model serve again",
        openapi_extra=body("Rollback", examples.ROLLBACK),
        responses=responses("Decision", also=(408, 409, 413, 503)),
    )
    async def rollback(kind: Kind, request: Request, caller: Caller = admin) -> JSONResponse:
        """Replicas take it up within a second, in place. Without `to`, once more goes one further back."""
        wanted: Rollback = bodies.decode(await bodies.read(request), Rollback)
        registry = Registry(settings.published_dir, kind)
        reason = f"{wanted.reason} ({caller.name})"
        return JSONResponse(_decided(await asyncio.to_thread(_roll_back, registry, wanted.to, reason)))


def _publish_routes(found: APIRouter, settings: Settings) -> None:
    admin = Depends(Needs("admin"))

    @found.post(
        "/models/{kind}/publish",
        status_code=202,
        summary="Judge a candidate at the gate, and let it serve if it is not worse than the champion",
        openapi_extra=body("Candidate", examples.CANDIDATE),
        responses=responses("Publication", status=202, also=(408, 409, 413, 503)),
    )
    async def publish(kind: Kind, request: Request, caller: Caller = admin) -> JSONResponse:
        """A job on the cluster, from seconds to minutes long: `GET /models/{kind}/publish/{job}` says how far it is."""
        wanted: Candidate = bodies.decode(await bodies.read(request), Candidate)
        folder = await asyncio.to_thread(_candidate, kind, wanted.folder, settings.artefact_roots)
        force = f"{wanted.force} ({caller.name})" if wanted.force else ""
        return JSONResponse(await _job(publishing.start, kind, str(folder), force), 202)

    @found.get(
        "/models/{kind}/publish/{job}",
        summary="How far a publication is, and what it says",
        responses=responses("Publication", also=(404, 409, 503)),
    )
    async def publication(kind: Kind, job: str, caller: Caller = admin) -> JSONResponse:
        return JSONResponse(await _job(publishing.look, kind, job))


def _candidate(kind: Kind, folder: str, roots: Sequence[Path]) -> Path:
    """Find the folder of a candidate before a job is sent for it; the gate looks closer.

    Of what is elsewhere nothing is told, not even whether it is there.
    """
    found = below(folder, roots)
    if found is None:
        told = f"no {kind} artefact there: it lies in a folder below RAYBID_VAR_DIR or RAYBID_ARTEFACTS"
        raise Problem(422, told, "artefact-unusable")
    try:
        meta = read_meta(found, kind)
    except (ArtefactError, OSError, ValueError) as error:
        raise Problem(422, str(error), "artefact-unusable") from error
    if meta.kind != kind:
        raise Problem(422, f"{folder} holds a {meta.kind} model, not a {kind} one", "artefact-unusable")
    return found


async def _job(do: Callable[..., Publication], *told: str) -> dict[str, Any]:
    try:
        return (await asyncio.to_thread(do, *told))._asdict()
    except JobUnknown as error:
        raise Problem(404, str(error), "job-unknown") from error
    except NoCluster as error:
        raise Problem(409, str(error), "no-cluster") from error
    except JobsAway as error:  # what it says may name hosts: that goes to the log
        logger.warning(f"jobs of the cluster: {error}")
        raise Problem(503, "the cluster takes no jobs now: see the log", "part-away", {"Retry-After": "5"}) from error


def _read(registry: Registry) -> Record:
    try:
        return registry.read()
    except (RegistryError, OSError) as error:
        raise Problem(503, "the record of published models cannot be read: see the log", "part-away") from error


def _roll_back(registry: Registry, to: str | None, reason: str) -> Decision:
    try:
        with registry.deciding():
            return registry.roll_back(to, reason)
    except RegistryError as error:
        raise Problem(409, str(error), "rollback-impossible") from error
    except OSError as error:
        raise Problem(503, "the record of published models cannot be written: see the log", "part-away") from error


def _decided(decision: Decision) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(decision)
    return told


def _shown(serving: Serving) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(serving)
    return shown
