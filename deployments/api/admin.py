"""For administrators: keys, settings, models in use."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from deployments.api import bodies, examples
from deployments.api.access import Caller, Needs
from deployments.api.documents import body, responses
from deployments.api.problems import Problem
from deployments.api.repeats import IdempotencyKey, kept, once_of, replayed
from deployments.stopping import StopSwitch
from rtb.campaigns.stops import EVERYONE, Stop
from rtb.catalog import Catalog, Kept, Key, KeyRing, Once, Repeated, Scope, digest_of
from rtb.exchanges import Exchanges
from rtb.runtime.settings import Settings
from rtb.simple_api import Name


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made.

    Attributes:
        name: for people.
        scopes: what it may do: `exchange` bids, `report` reads figures, `admin` does everything.
        per_minute: REST calls it may make in a minute; none: as the settings say.
    """

    name: Annotated[Name, msgspec.Meta(min_length=1)]
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1, max_length=3)]
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None


@dataclass(frozen=True)
class AdminParts:
    """What the calls for administrators need."""

    settings: Settings
    catalog: Catalog
    keys: KeyRing
    exchanges: Exchanges
    switch: StopSwitch
    artefacts: Callable[[], Awaitable[Mapping[str, Any]]]
    """Describes the models in use."""


def routes(parts: AdminParts) -> APIRouter:
    """The calls for administrators."""
    found = APIRouter(prefix="/admin", tags=["admin"])
    _key_routes(found, parts)
    admin = Depends(Needs("admin"))

    @found.post("/stop", summary="Stop all bidding, within a second", responses=responses("Stopped"))
    async def stop(caller: Caller = admin) -> JSONResponse:
        """Needs no disk, catalog or ledger. Notices are settled as before; `POST /admin/start` lets all bid again."""
        await parts.switch.set(Stop(EVERYONE, time.time(), is_on=True, actor=caller.name))
        return JSONResponse({"stopped": True})

    @found.post("/start", summary="Bid again after a stop", responses=responses("Stopped"))
    async def start(caller: Caller = admin) -> JSONResponse:
        await parts.switch.set(Stop(EVERYONE, time.time(), is_on=False, actor=caller.name))
        return JSONResponse({"stopped": False})

    @found.get("/settings", summary="Every setting but the secrets", responses=responses("Settings"))
    async def settings(caller: Caller = admin) -> JSONResponse:
        return JSONResponse(parts.settings.shown())

    @found.get("/exchanges", summary="The exchanges that are known, by profile", responses=responses("Exchanges"))
    async def exchanges(caller: Caller = admin) -> JSONResponse:
        """Profiles are files: see `docs/exchanges.md`. Keys are named by their ids."""
        told = [{"path": profile.path, **msgspec.to_builtins(profile)} for profile in parts.exchanges]
        return JSONResponse(told)

    @found.get("/artefacts", summary="The models in use", responses=responses("Artefacts", also=(503,)))
    async def artefacts(caller: Caller = admin) -> JSONResponse:
        """As one replica of each says; during a change others may still use the one before."""
        try:
            return JSONResponse(await asyncio.wait_for(parts.artefacts(), 2.0))
        except Exception as error:  # whatever a handle raises: its replica is being started, say
            raise Problem(503, "the models do not answer: try again", "part-away", {"Retry-After": "1"}) from error

    return found


def _key_routes(found: APIRouter, parts: AdminParts) -> None:
    admin = Depends(Needs("admin"))

    @found.post(
        "/keys",
        status_code=201,
        summary="Make a key; it is shown this once",
        openapi_extra=body("NewKey", examples.KEY),
        responses=responses("MadeKey", status=201, also=(400, 408, 409, 413)),
    )
    async def create(request: Request, caller: Caller = admin, idempotency_key: IdempotencyKey = None) -> Response:
        """Only its digest is kept. Other replicas know it within a second."""
        sent = await bodies.read(request)
        wanted: NewKey = bodies.decode(sent, NewKey)
        salt = secrets.token_urlsafe(32)
        once: Once[Key] | None = once_of(request, sent, caller, idempotency_key, lambda key: _kept(key, salt))
        secret = secrets.token_urlsafe(32) if once is None else _derived(parts.settings.notice_secrets()[0], salt)
        told = (wanted.name, tuple(dict.fromkeys(wanted.scopes)), digest_of(secret), caller.name)
        try:
            key = await asyncio.to_thread(parts.catalog.keys.create, *told, per_minute=wanted.per_minute, once=once)
        except Repeated:
            assert once is not None
            return _again(await kept(parts.catalog, once), parts.settings.notice_secrets())
        await asyncio.to_thread(parts.keys.refresh)
        return JSONResponse(_shown(key) | {"key": secret}, 201)

    @found.get("/keys", summary="All keys, without their secrets", responses=responses("Keys"))
    async def keys(caller: Caller = admin) -> JSONResponse:
        """Those of the settings, such as the first administrator's, come first; they have no time of creation."""
        known = [*parts.keys.standing, *await asyncio.to_thread(parts.catalog.keys.all)]
        return JSONResponse([_shown(key) for key in known])

    @found.delete(
        "/keys/{key_id}",
        summary="Revoke a key: refused everywhere within a second",
        responses=responses("Key", also=(404, 409)),
    )
    async def revoke(key_id: str, caller: Caller = admin) -> JSONResponse:
        if any(key.id == key_id for key in parts.keys.standing):
            raise Problem(409, "this key is in the settings: change it there and restart", "key-standing")
        key = await asyncio.to_thread(parts.catalog.keys.revoke, key_id)
        await asyncio.to_thread(parts.keys.refresh)
        return JSONResponse(_shown(key))


def _shown(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "per_minute": key.per_minute,
        "created_at": _moment(key.created) if key.created else None,
        "created_by": key.created_by,
        "revoked_at": _moment(key.revoked),
    }


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def _derived(secret: str, salt: str) -> str:
    """A key's secret that can be told again to who asked for it, though it is kept nowhere.

    The salt is in the catalog for a day, the secret it is keyed with is not: either without the other is of no use.
    """
    digest = hmac.new(secret.encode(), b"api key\0" + salt.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _kept(key: Key, salt: str) -> Kept:
    return Kept(201, msgspec.json.encode(_shown(key) | {"salt": salt}).decode())


def _again(answer: Kept, notice_secrets: list[str]) -> Response:
    told: dict[str, Any] = msgspec.json.decode(answer.body)
    salt = told.pop("salt")
    for notice_secret in notice_secrets:
        secret = _derived(notice_secret, salt)
        if digest_of(secret).startswith(told["id"]):
            return replayed(answer._replace(body=msgspec.json.encode(told | {"key": secret}).decode()))
    raise Problem(409, "the key was made, but the secret it came from has changed: revoke it and make another")
