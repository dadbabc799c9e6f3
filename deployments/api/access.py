"""Who calls, what they may do, and how often."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from deployments.api.hardening import ACTOR
from deployments.api.problems import Problem
from deployments.callers import key_in
from rtb.catalog import Key, Scope
from rtb.limits import Limit

if TYPE_CHECKING:
    from deployments.router import Router

_header = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="a key of `POST /admin/keys`; the first is in var/secrets/admin_key"
)

_bearer = HTTPBearer(auto_error=False, description="the same key as `Authorization: Bearer`, as Prometheus sends it")


class Caller(NamedTuple):
    """Who makes a request.

    Attributes:
        key: theirs, none where none was sent and none is needed.
    """

    key: Key | None

    @property
    def id(self) -> str:
        """The key's id: whose idempotency keys these are."""
        return self.key.id if self.key is not None else "nobody"

    @property
    def key_id(self) -> str:
        """The key's id, empty without one."""
        return self.key.id if self.key is not None else ""

    @property
    def name(self) -> str:
        """Who it is in a history: a name that gives nothing of the key away."""
        return f"key:{self.id}"


def needs(router: Router, scope: Scope, *, optional: bool = False) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, whose key must be known and allow this, and who must not call too often.

    Args:
        router: the replica.
        scope: what the call needs.
        optional: whether it may come without a key. One that is sent must be good all the same.
    """

    async def admit(
        request: Request,
        header: Annotated[object, Depends(_header)],  # both are there for the document
        bearer: Annotated[object, Depends(_bearer)],
    ) -> Caller:
        secret = key_in(dict(request.scope["headers"]))
        if secret is None:
            _without_key(router, request, optional=optional)
            return Caller(None)
        key = None if router.guard.is_locked(request.scope) else router.keys.find(secret)
        if key is None:
            _wrong_key(router, request, secret)
        _limit(router, key)
        request.scope[ACTOR] = f"key:{key.id}"
        if not key.allows(scope):
            router.guard.log.note("scope_missing", f"key:{key.id}", f"{request.method} {request.url.path}")
            raise Problem(403, f"this key is not for that: it has the scopes {', '.join(key.scopes)}", "scope-missing")
        return Caller(key)

    return admit


def _without_key(router: Router, request: Request, *, optional: bool) -> None:
    """Let a call pass that needs no key; raises `Problem` where it needs one, or where its address calls too often."""
    guard, address = router.guard, router.guard.callers.group(request.scope)
    if not guard.keyless.add(address):
        _too_many(guard.keyless.per_minute, guard.keyless.wait(address))
    if optional and guard.callers.is_local(request.scope):
        return
    guard.log.note("key_missing", address, f"{request.method} {request.url.path}")
    raise _unknown()


def _wrong_key(router: Router, request: Request, secret: str) -> NoReturn:
    if not router.guard.wrong_key(request.scope, router.keys.revoked_id(secret)):
        address = router.guard.callers.group(request.scope)
        _too_many(router.guard.guesses.per_minute, router.guard.guesses.wait(address), "wrong keys")
    raise _unknown()


def _unknown() -> Problem:
    told = "X-API-Key is missing, unknown or revoked; the first run keeps some in var/secrets"
    return Problem(401, told, "key-unknown", {"WWW-Authenticate": "ApiKey"})


def _too_many(per_minute: int, wait: int, what: str = "calls") -> NoReturn:
    raise Problem(429, f"more than {per_minute} {what} a minute", "too-many-calls", {"Retry-After": str(wait)})


def _limit(router: Router, key: Key) -> None:
    """Count a call of a key."""
    name = f"rest:{key.id}"
    per_minute = key.per_minute or router.settings.calls_per_minute
    if not router.limiter.allow(name, Limit(rate=per_minute / 60, burst=float(per_minute))):
        _too_many(per_minute, max(1, math.ceil(router.limiter.wait(name))))
