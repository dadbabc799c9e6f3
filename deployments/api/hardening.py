"""What every REST answer has: headers that keep browsers strict, a limit without keys, a line of who changed what."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from deployments.api.problems import document
from rtb.security import Event

if TYPE_CHECKING:
    from deployments.router import Router

ACTOR = "raybid.actor"
"""Where a request's scope has the name of who makes it."""

_OPEN = ("/health", "/docs", "/redoc", "/openapi.json")
"""Paths that need no key and cost something. What probes ask, `/health/live` and `/health/ready`, is never too many."""

_PAGES = ("/docs", "/redoc", "/static-offline-docs")
_STRICT = b"default-src 'none'; frame-ancestors 'none'"
_PAGE = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_CHANGES: tuple[tuple[str, str, Event], ...] = (
    ("POST", "/admin/keys", "key_created"),
    ("DELETE", "/admin/keys", "key_deleted"),
    ("", "/campaign", "campaign_changed"),
    ("", "/portfolio", "portfolio_changed"),
    ("", "/models", "model_changed"),
)
_FROM_ERRORS = 400


class Hardened:
    """An ASGI middleware around the REST application.

    Args:
        app: the application.
        router: the replica.
    """

    def __init__(self, app: Any, router: Router) -> None:
        self._app = app
        self._router = router

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """An ASGI 3 application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))

        async def hardened(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_headers(path)]
                if message["status"] < _FROM_ERRORS:
                    self._note(scope, path)
            await send(message)

        guard = self._router.guard
        if path in _OPEN and not guard.unkeyed.add(address := guard.callers.group(scope)):
            wait = {"Retry-After": str(guard.unkeyed.wait(address))}
            told = f"more than {guard.unkeyed.per_minute} calls a minute"
            await document(path, 429, told, "too-many-calls", wait)(scope, receive, hardened)
            return
        await self._app(scope, receive, hardened)

    def _note(self, scope: MutableMapping[str, Any], path: str) -> None:
        if scope["method"] not in ("POST", "PATCH", "PUT", "DELETE"):
            return
        for method, prefix, event in _CHANGES:
            if method in ("", scope["method"]) and path.startswith(prefix):
                actor = f"{scope.get(ACTOR, '')} {self._router.guard.callers.group(scope)}".strip()
                self._router.guard.log.note(event, actor, f"{scope['method']} {path}")
                return


def _headers(path: str) -> list[tuple[bytes, bytes]]:
    is_page = path.startswith(_PAGES)
    found = [
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-security-policy", _PAGE if is_page else _STRICT),
    ]
    return found if is_page else [*found, (b"cache-control", b"no-store")]
