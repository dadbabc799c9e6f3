"""Models: which is published and how that came about, which each replica serves; publish one, and go back to one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import redis.asyncio as aioredis
from fastapi import APIRouter, Request

from deployments import publishing
from deployments.api import bodies, examples
from deployments.api.access import Admin
from deployments.api.answers import StructResponse
from deployments.api.documents import body, responses
from deployments.api.problems import Problem
from deployments.models import Serving, champions, served
from deployments.publishing import JobsAway, JobUnknown, NoCluster, Publication
from deployments.wiring import logger
from rtb.models.artefacts import ArtefactError, below, read_meta
from rtb.models.registry import Kind, PublishDecision, Registry, RegistryError, RegistryState
from rtb.models.shared import find_trained, is_version
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
        folder: of its artefact, on the platform's machine; with a store, or its version, trained on any.
        force: reason to publish it whatever its comparison with the champion says; none: the gate decides.
    """

    folder: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    force: Annotated[str, msgspec.Meta(max_length=500)] = ""


class PublishedModel(msgspec.Struct, frozen=True):
    """The published version of a kind of model, none until something was, and what each replica serves."""

    published: str | None
    replicas: list[Serving]


class ModelHistory(msgspec.Struct, frozen=True):
    """How the published model came to be that: its version, the one before, and all decisions, oldest first."""

    champion: str | None
    former: str | None
    history: tuple[PublishDecision, ...]


def routes(client: aioredis.Redis, settings: Settings) -> APIRouter:
    """Build the calls about models."""
    found = APIRouter(tags=["figures"])

    @found.get(
        "/models",
        summary="The published models, and what each replica serves",
        responses=responses(dict[str, PublishedModel]),
    )
    async def models(caller: Admin) -> StructResponse:
        """Say by kind what is published, null until something was; a replica in `refused` says why it serves another.

        What is known of the models themselves is in `/admin/artefacts`, the history in `/models/{kind}`.
        """
        published = await champions(client)
        return StructResponse(
            {kind: PublishedModel(version, await served(client, kind)) for kind, version in published.items()}
        )

    _record_routes(found, settings)
    _publish_routes(found, settings)
    return found


def _record_routes(found: APIRouter, settings: Settings) -> None:
    @found.get(
        "/models/{kind}",
        summary="How it came about that the published model is the published one",
        responses=responses(ModelHistory, also=(503,)),
    )
    async def record(kind: Kind, caller: Admin) -> StructResponse:
        """Return the decisions, oldest first, refusals and their figures included; a rollback leads to `former`."""
        known = await asyncio.to_thread(_read, Registry.of(settings, kind))
        return StructResponse(ModelHistory(known.champion, known.former(), known.history))

    @found.post(
        "/models/{kind}/rollback",
        summary="Make an earlier published model serve again",
        openapi_extra=body(Rollback, examples.ROLLBACK),
        responses=responses(PublishDecision, also=(408, 409, 413, 503)),
    )
    async def rollback(kind: Kind, request: Request, caller: Admin) -> StructResponse:
        """Roll back, in place and within a second. Without `to`, calling again goes one version further back."""
        wanted: Rollback = bodies.decode(await bodies.read(request), Rollback)
        registry = Registry.of(settings, kind)
        reason = f"{wanted.reason} ({caller.name})"
        return StructResponse(await asyncio.to_thread(_roll_back, registry, wanted.to, reason))


def _publish_routes(found: APIRouter, settings: Settings) -> None:
    @found.post(
        "/models/{kind}/publish",
        status_code=202,
        summary="Judge a candidate at the gate, and let it serve if it is not worse than the champion",
        openapi_extra=body(Candidate, examples.CANDIDATE),
        responses=responses(Publication, status=202, also=(408, 409, 413, 503)),
    )
    async def publish(kind: Kind, request: Request, caller: Admin) -> StructResponse:
        """Start a job on the cluster, for seconds to minutes: `GET /models/{kind}/publish/{job}` says how far it is."""
        wanted: Candidate = bodies.decode(await bodies.read(request), Candidate)
        folder = await asyncio.to_thread(_candidate, kind, wanted.folder, settings)
        force = f"{wanted.force} ({caller.name})" if wanted.force else ""
        return StructResponse(await _job(publishing.start, kind, folder, force), 202)

    @found.get(
        "/models/{kind}/publish/{job}",
        summary="How far a publication is, and what it says",
        responses=responses(Publication, also=(404, 409, 503)),
    )
    async def publication(kind: Kind, job: str, caller: Admin) -> StructResponse:
        return StructResponse(await _job(publishing.look, kind, job))


def _candidate(kind: Kind, folder: str, settings: Settings) -> str:
    """Find the folder or version of a candidate before a job is sent for it; the gate looks closer.

    Say nothing of other folders, not even whether they exist.
    """
    if settings.store and is_version(folder):
        return _trained(kind, folder, settings)
    found = below(folder, _candidate_roots(settings))
    if found is None:
        told = f"no {kind} artefact there: it lies in a folder below RAYBID_VAR_DIR or RAYBID_ARTEFACTS"
        raise Problem(422, told, "artefact-unusable")
    try:
        meta = read_meta(found, kind)
    except (ArtefactError, OSError, ValueError) as error:
        raise Problem(422, str(error), "artefact-unusable") from error
    if meta.kind != kind:
        raise Problem(422, f"{folder} holds a {meta.kind} model, not a {kind} one", "artefact-unusable")
    return str(found)


def _candidate_roots(settings: Settings) -> list[Path]:
    """Return the folders whose candidate artefacts may be published over REST."""
    return [settings.var_dir, *(Path(part.strip()) for part in settings.artefacts.split(",") if part.strip())]


def _trained(kind: Kind, version: str, settings: Settings) -> str:
    try:
        find_trained(settings, version, kind)
    except ArtefactError as error:
        raise Problem(422, f"no trained {kind} model {version} in the store", "artefact-unusable") from error
    except OSError as error:
        logger.warning(f"the store of trained models: {error}")
        raise Problem(503, "the store of trained models does not answer: see the log", "part-away") from error
    return version


async def _job(do: Callable[..., Publication], *told: str) -> Publication:
    try:
        return await asyncio.to_thread(do, *told)
    except JobUnknown as error:
        raise Problem(404, str(error), "job-unknown") from error
    except NoCluster as error:
        raise Problem(409, str(error), "no-cluster") from error
    except JobsAway as error:  # what it says may name hosts: that goes to the log
        logger.warning(f"jobs of the cluster: {error}")
        raise Problem(
            503, "the cluster takes no jobs now: see the log", "part-unavailable", {"Retry-After": "5"}
        ) from error


def _read(registry: Registry) -> RegistryState:
    try:
        return registry.read()
    except (RegistryError, OSError) as error:
        raise Problem(503, "the record of published models cannot be read: see the log", "part-unavailable") from error


def _roll_back(registry: Registry, to: str | None, reason: str) -> PublishDecision:
    try:
        with registry.deciding():
            return registry.roll_back(to, reason)
    except RegistryError as error:
        raise Problem(409, str(error), "rollback-impossible") from error
    except OSError as error:
        raise Problem(
            503, "the record of published models cannot be written: see the log", "part-unavailable"
        ) from error
