"""Who calls, what they may do, and how often."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

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

_NOBODY = "nobody"


class Caller(NamedTuple):
    """Who makes a request.

    Attributes:
        key: theirs, none where none was sent and none is needed.
    """

    key: Key | None

    @property
    def id(self) -> str:
        """The key's id: whose idempotency keys these are."""
        return self.key.id if self.key is not None else _NOBODY

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
        key = None if secret is None else router.keys.find(secret)
        _limit(router, key)
        if key is None:
            if secret is None and optional:
                return Caller(None)
            raise Problem(
                401,
                "X-API-Key is missing, unknown or revoked; the first run keeps some in var/secrets",
                "key-unknown",
                {"WWW-Authenticate": "ApiKey"},
            )
        if not key.allows(scope):
            raise Problem(403, f"this key is not for that: it has the scopes {', '.join(key.scopes)}", "scope-missing")
        return Caller(key)

    return admit


def _limit(router: Router, key: Key | None) -> None:
    """Count the call; those without a good key share one count, so that guessing one is slow."""
    name = f"rest:{key.id if key is not None else _NOBODY}"
    per_minute = (key.per_minute if key is not None else None) or router.settings.calls_per_minute
    if not router.limiter.allow(name, Limit(rate=per_minute / 60, burst=float(per_minute))):
        wait = max(1, math.ceil(router.limiter.wait(name)))
        raise Problem(429, f"more than {per_minute} calls a minute", "too-many-calls", {"Retry-After": str(wait)})
