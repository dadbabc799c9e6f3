"""What every REST answer gets: headers that keep browsers strict, and a log line of who changed what."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from deployments.api.access import ACTOR
from deployments.callers import path_in
from deployments.guard import AccessGuard
from rtb.runtime.security import Event

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
    """An ASGI middleware around the REST application."""

    def __init__(self, app: Any, guard: AccessGuard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve as an ASGI 3 application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = path_in(scope)

        async def strict(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *hardened(path)]
                if message["status"] < _FROM_ERRORS:
                    self._note(scope, path)
            await send(message)

        await self._app(scope, receive, strict)

    def _note(self, scope: MutableMapping[str, Any], path: str) -> None:
        if scope["method"] not in ("POST", "PATCH", "PUT", "DELETE"):
            return
        for method, prefix, event in _CHANGES:
            if method in ("", scope["method"]) and path.startswith(prefix):
                actor = f"{scope.get(ACTOR, '')} {self._guard.callers.group(scope)}".strip()
                self._guard.log.note(event, actor, f"{scope['method']} {path}")
                return


def hardened(path: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that keep browsers strict with an answer."""
    is_page = path.startswith(_PAGES)
    found = [
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-security-policy", _PAGE if is_page else _STRICT),
    ]
    return found if is_page else [*found, (b"cache-control", b"no-store")]
