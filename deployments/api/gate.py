"""What a call of the API passes first: an existing path, one of its methods, a key with the scope, a rate limit.

Most of what strangers send is refused here, before FastAPI and Serve's bookkeeping do any work for it, so that a flood
of it costs other callers little.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn

from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from deployments.api.access import ACTOR, CALLER, Caller, Needs
from deployments.api.hardening import hardened
from deployments.api.problems import Problem, document
from deployments.callers import Scope, key_in, path_in
from deployments.guard import AccessGuard, AddressLimit
from rtb.catalog import Key, KeyRing
from rtb.runtime.rate_limits import Limit, Limiter

_PROBES = ("/health/live", "/health/ready")
"""What whoever watches a replica asks, and may always ask."""

_READS = frozenset({"GET", "HEAD"})


class Door(NamedTuple):
    """A path of the API.

    Attributes:
        path: its pattern.
        methods: that it has.
        needs: whose key it is for, none where it is for everybody.
    """

    path: re.Pattern[str]
    methods: frozenset[str]
    needs: Needs | None


class ApiGate:
    """Admission of calls to the API."""

    def __init__(
        self, routes: Iterable[BaseRoute], keys: KeyRing, guard: AccessGuard, limiter: Limiter, calls_per_minute: int
    ) -> None:
        self._keys = keys
        self._guard = guard
        self._limiter = limiter
        self._calls_per_minute = calls_per_minute
        self._doors = [_door(route) for route in routes if isinstance(route, Route | Mount)]

    def is_open(self, path: str) -> bool:
        """Return whether anybody may ask for a path."""
        return any(door.needs is None and door.path.match(path) for door in self._doors)

    def refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a call that may not pass; else none, and the scope says who the caller is."""
        path = path_in(scope)
        try:
            scope[CALLER] = self._admit(scope, path)
        except Problem as problem:
            answer = document(path, problem.status, problem.detail, problem.kind, problem.headers)
            answer.raw_headers.extend(hardened(path))
            return answer
        return None

    def _admit(self, scope: Scope, path: str) -> Caller:
        needs = self._needs(scope["method"], path)
        if needs is None:
            if path not in _PROBES:
                _count(self._guard.unkeyed, self._guard.callers.group(scope))
            return Caller(None)
        secret = key_in(dict(scope["headers"]))
        if secret is None:
            self._without_key(scope, path, needs)
            return Caller(None)
        key = None if self._guard.is_locked(scope) else self._keys.find(secret)
        if key is None:
            self._wrong_key(scope, secret)
        self._limit(key)
        scope[ACTOR] = f"key:{key.id}"
        if not key.allows(needs.scope):
            self._guard.log.note("scope_missing", f"key:{key.id}", f"{scope['method']} {path}")
            raise Problem(403, f"this key is not for that: it has the scopes {', '.join(key.scopes)}", "scope-missing")
        return Caller(key)

    def _needs(self, method: str, path: str) -> Needs | None:
        """Return what a call needs; raise `Problem` where nothing answers it."""
        others: set[str] = set()
        for door in self._doors:
            if door.path.match(path):
                if method in door.methods:
                    return door.needs
                others |= door.methods
        if others:
            raise Problem(405, "Method Not Allowed", headers={"Allow": ", ".join(sorted(others))})
        raise Problem(404, "Not Found")

    def _without_key(self, scope: Scope, path: str, needs: Needs) -> None:
        guard, address = self._guard, self._guard.callers.group(scope)
        _count(guard.keyless, address)
        if needs.is_optional and guard.callers.is_local(scope):
            return
        guard.log.note("key_missing", address, f"{scope['method']} {path}")
        raise _unknown()

    def _wrong_key(self, scope: Scope, secret: str) -> NoReturn:
        guard = self._guard
        if not guard.wrong_key(scope, self._keys.revoked_id(secret)):
            _too_many(guard.guesses.per_minute, guard.guesses.wait(guard.callers.group(scope)), "wrong keys")
        raise _unknown()

    def _limit(self, key: Key) -> None:
        """Count a call of a key."""
        name = f"rest:{key.id}"
        per_minute = key.per_minute or self._calls_per_minute
        if not self._limiter.allow(name, Limit(rate=per_minute / 60, burst=float(per_minute))):
            _too_many(per_minute, max(1, math.ceil(self._limiter.wait(name))))


def _door(route: Route | Mount) -> Door:
    methods = frozenset(route.methods or ()) if isinstance(route, Route) else _READS
    return Door(route.path_regex, methods, _needs_of(route) if isinstance(route, APIRoute) else None)


def _needs_of(route: APIRoute) -> Needs | None:
    calls: Iterable[Any] = (dependency.call for dependency in route.dependant.dependencies)
    return next((call for call in calls if isinstance(call, Needs)), None)


def _count(limit: AddressLimit, address: str) -> None:
    if not limit.add(address):
        _too_many(limit.per_minute, limit.wait(address))


def _unknown() -> Problem:
    told = "X-API-Key is missing, unknown or revoked; the first run keeps some in var/secrets"
    return Problem(401, told, "key-unknown", {"WWW-Authenticate": "ApiKey"})


def _too_many(per_minute: int, wait: int, what: str = "calls") -> NoReturn:
    raise Problem(429, f"more than {per_minute} {what} a minute", "too-many-calls", {"Retry-After": str(wait)})
