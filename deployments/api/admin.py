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
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import UNSET, UnsetType

from deployments.api import bodies, examples
from deployments.api.access import Admin
from deployments.api.answers import StructResponse, moment
from deployments.api.documents import body, responses
from deployments.api.problems import Problem
from deployments.api.repeats import IdempotencyKey, kept, once_of, replayed
from deployments.stopping import StopSwitch
from rtb.campaigns.stops import EVERYONE, Stop
from rtb.catalog import Catalog, IdempotentRequest, KeptAnswer, Key, KeyRing, RequestRepeated, Scope, digest_of
from rtb.exchanges import Exchanges, Profile
from rtb.runtime.settings import Settings
from rtb.simple_api import Name

_Setting = str | int | float | bool | None


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


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret, which nobody keeps; one of the settings has no time of creation.

    Attributes:
        per_minute: REST calls it may make in a minute; none: as the settings say.
        created_by: whose key made it.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    per_minute: int | None
    created_at: str | None
    created_by: str
    revoked_at: str | None


class CreatedKey(ApiKey, frozen=True, kw_only=True):
    """A key with its secret, `key`, which is shown this once."""

    key: str


class KillSwitch(msgspec.Struct, frozen=True):
    """Whether all bidding is stopped."""

    stopped: bool


class ExchangeProfile(Profile, frozen=True, kw_only=True):
    """The profile of an exchange, and the path of its endpoint."""

    path: str


class ServedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in use; of a `prior` there is only the version.

    Attributes:
        refused: why the published model is not in use.
    """

    version: str
    kind: str | UnsetType = UNSET
    schema_version: str | UnsetType = UNSET
    created: str | UnsetType = UNSET
    commit: str | UnsetType = UNSET
    trained_on: str | UnsetType = UNSET
    metrics: dict[str, float] | UnsetType = UNSET
    refused: str | UnsetType = UNSET


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
    """Build the calls for administrators."""
    found = APIRouter(prefix="/admin", tags=["admin"])
    _key_routes(found, parts)

    @found.post("/stop", summary="Stop all bidding, within a second", responses=responses(KillSwitch))
    async def stop(caller: Admin) -> StructResponse:
        """Needs no disk, catalog or ledger. Notices are settled as before; `POST /admin/start` lets all bid again."""
        await parts.switch.set(Stop(EVERYONE, time.time(), is_on=True, actor=caller.name))
        return StructResponse(KillSwitch(True))

    @found.post("/start", summary="Bid again after a stop", responses=responses(KillSwitch))
    async def start(caller: Admin) -> StructResponse:
        await parts.switch.set(Stop(EVERYONE, time.time(), is_on=False, actor=caller.name))
        return StructResponse(KillSwitch(False))

    @found.get("/settings", summary="Every setting but the secrets", responses=responses(dict[str, _Setting]))
    async def settings(caller: Admin) -> StructResponse:
        return StructResponse(parts.settings.shown())

    @found.get("/exchanges", summary="The known exchanges by profile", responses=responses(list[ExchangeProfile]))
    async def exchanges(caller: Admin) -> StructResponse:
        """Profiles are files: see `docs/exchanges.md`. Keys are named by their ids."""
        told = [ExchangeProfile(**msgspec.structs.asdict(one), path=one.path) for one in parts.exchanges]
        return StructResponse(told)

    @found.get("/artefacts", summary="The models in use", responses=responses(dict[str, ServedModel], also=(503,)))
    async def artefacts(caller: Admin) -> StructResponse:
        """As one replica of each says; during a change others may still use the one before."""
        try:
            artefacts = await asyncio.wait_for(parts.artefacts(), 2.0)
        except Exception as error:  # whatever a handle raises: its replica is being started, say
            raise Problem(
                503, "the models do not answer: try again", "part-unavailable", {"Retry-After": "1"}
            ) from error
        return StructResponse(msgspec.convert(artefacts, dict[str, ServedModel]))

    return found


def _key_routes(found: APIRouter, parts: AdminParts) -> None:
    @found.post(
        "/keys",
        status_code=201,
        summary="Make a key; it is shown this once",
        openapi_extra=body(NewKey, examples.KEY),
        responses=responses(CreatedKey, status=201, also=(400, 408, 409, 413)),
    )
    async def create(request: Request, caller: Admin, idempotency_key: IdempotencyKey = None) -> Response:
        """Only its digest is kept. Other replicas know it within a second."""
        sent = await bodies.read(request)
        wanted: NewKey = bodies.decode(sent, NewKey)
        salt = secrets.token_urlsafe(32)
        once: IdempotentRequest[Key] | None = once_of(
            request, sent, caller, idempotency_key, lambda key: _kept(key, salt)
        )
        secret = secrets.token_urlsafe(32) if once is None else _derived(parts.settings.notice_secrets()[0], salt)
        told = (wanted.name, tuple(dict.fromkeys(wanted.scopes)), digest_of(secret), caller.name)
        try:
            key = await asyncio.to_thread(parts.catalog.keys.create, *told, per_minute=wanted.per_minute, once=once)
        except RequestRepeated:
            assert once is not None
            return _again(await kept(parts.catalog, once), parts.settings.notice_secrets())
        await asyncio.to_thread(parts.keys.refresh)
        return StructResponse(CreatedKey(**msgspec.structs.asdict(_shown(key)), key=secret), 201)

    @found.get("/keys", summary="All keys, without their secrets", responses=responses(list[ApiKey]))
    async def keys(caller: Admin) -> StructResponse:
        """Those of the settings, such as the first administrator's, come first; they have no time of creation."""
        known = [*parts.keys.standing, *await asyncio.to_thread(parts.catalog.keys.all)]
        return StructResponse([_shown(key) for key in known])

    @found.delete(
        "/keys/{key_id}",
        summary="Revoke a key: refused everywhere within a second",
        responses=responses(ApiKey, also=(404, 409)),
    )
    async def revoke(key_id: str, caller: Admin) -> StructResponse:
        if any(key.id == key_id for key in parts.keys.standing):
            raise Problem(409, "this key is in the settings: change it there and restart", "key-standing")
        key = await asyncio.to_thread(parts.catalog.keys.revoke, key_id)
        await asyncio.to_thread(parts.keys.refresh)
        return StructResponse(_shown(key))


def _shown(key: Key) -> ApiKey:
    return ApiKey(
        id=key.id,
        name=key.name,
        scopes=key.scopes,
        per_minute=key.per_minute,
        created_at=moment(key.created) if key.created else None,
        created_by=key.created_by,
        revoked_at=None if key.revoked is None else moment(key.revoked),
    )


def _derived(secret: str, salt: str) -> str:
    """Derive a key's secret, which is kept nowhere and can still be shown again to whoever asked for it.

    The salt is in the catalog for a day, the secret it is keyed with is not: neither is of use without the other.
    """
    digest = hmac.new(secret.encode(), b"api key\0" + salt.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class _SaltedKey(ApiKey, frozen=True, kw_only=True):
    """What is kept of a key's creation: the secret can be derived from the salt again."""

    salt: str


def _kept(key: Key, salt: str) -> KeptAnswer:
    return KeptAnswer(201, msgspec.json.encode(_SaltedKey(**msgspec.structs.asdict(_shown(key)), salt=salt)).decode())


def _again(answer: KeptAnswer, notice_secrets: list[str]) -> Response:
    fields = msgspec.structs.asdict(msgspec.json.decode(answer.body, type=_SaltedKey))
    salt = fields.pop("salt")
    for notice_secret in notice_secrets:
        secret = _derived(notice_secret, salt)
        if digest_of(secret).startswith(fields["id"]):
            return replayed(answer._replace(body=msgspec.json.encode(CreatedKey(**fields, key=secret)).decode()))
    raise Problem(409, "the key was made, but the secret it came from has changed: revoke it and make another")
