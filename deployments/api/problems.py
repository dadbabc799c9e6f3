"""What goes wrong is answered with a problem document (RFC 9457), and never with a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, MutableMapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from deployments.api.answers import etag
from deployments.wiring import logger
from portfolio.definition import PortfolioError
from rtb.campaigns.campaign import CampaignError
from rtb.catalog import (
    CampaignArchived,
    CampaignChanged,
    CampaignExists,
    CampaignUnknown,
    CatalogError,
    CreativeExists,
    CreativeUnknown,
    KeyExists,
    KeyUnknown,
    PortfolioChanged,
    PortfolioExists,
    PortfolioUnknown,
    ReceiptMismatch,
)
from rtb.events import StreamError
from rtb.ledger import LedgerError

MEDIA_TYPE = "application/problem+json"
_TYPES = "urn:raybid:problem:"
_BUG = "this should not have happened; the log says where it did"

_REFUSALS: dict[type[Exception], tuple[int, str]] = {
    CampaignUnknown: (404, "campaign-unknown"),
    CreativeUnknown: (404, "creative-unknown"),
    KeyUnknown: (404, "key-unknown"),
    PortfolioUnknown: (404, "portfolio-unknown"),
    PortfolioExists: (409, "portfolio-exists"),
    PortfolioChanged: (412, "portfolio-changed"),
    PortfolioError: (422, "portfolio-invalid"),
    CampaignExists: (409, "campaign-exists"),
    CampaignArchived: (409, "campaign-archived"),
    CreativeExists: (409, "creative-exists"),
    KeyExists: (409, "key-exists"),
    CampaignChanged: (412, "campaign-changed"),
    CampaignError: (422, "campaign-invalid"),
    ReceiptMismatch: (422, "idempotency-key-reused"),
}

_UNAVAILABLE = {
    LedgerError: "the ledger",
    RedisError: "the ledger",
    CatalogError: "the catalog",
    StreamError: "the events",
}


class ProblemDetails(msgspec.Struct, frozen=True):
    """What went wrong with a request (RFC 9457): `detail` for people, `type` for programs."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


class Problem(Exception):
    """A request that is refused.

    Args:
        status: HTTP status.
        detail: what is wrong with this request, for people.
        kind: a short name of the problem; none: the status's.
        headers: to send with it.
    """

    def __init__(self, status: int, detail: str, kind: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        self.headers = headers


def document(path: str, status: int, detail: str, kind: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Build the response that carries a problem document.

    Args:
        path: what was asked for.
        status: HTTP status.
        detail: what is wrong with this request.
        kind: a short name of the problem; none: the status's.
        headers: to send with it.
    """
    phrase = HTTPStatus(status).phrase
    kind = kind or re.sub(r"[^a-z]+", "-", phrase.lower()).strip("-")
    told = ProblemDetails(_TYPES + kind, phrase, status, detail, quote(path))
    # ASCII: a detail may name what UTF-8 cannot hold
    return Response(json.dumps(msgspec.structs.asdict(told)), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let the application answer with problem documents, also what FastAPI itself refuses."""
    app.add_exception_handler(Problem, _of_problem)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(Exception, _of_bug)
    for error in _UNAVAILABLE:
        app.add_exception_handler(error, _of_unavailable)
    for refused, (status, kind) in _REFUSALS.items():
        app.add_exception_handler(refused, _refusal(status, kind))


def _of_problem(request: Request, error: Any) -> Response:
    return document(_path(request), error.status, error.detail, error.kind, error.headers)


def _of_http(request: Request, error: Any) -> Response:
    return document(_path(request), error.status_code, str(error.detail), headers=error.headers)


def _of_validation(request: Request, error: Any) -> Response:
    """Say where and what, but not the value, which may be anything."""
    told = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return document(_path(request), 422, told, "parameter-invalid")


def _of_bug(request: Request, _: Exception) -> Response:
    """Answer 500 to an error nobody expected. `LastResort` writes the log."""
    return document(_path(request), 500, _BUG)


def _of_unavailable(request: Request, error: Exception) -> Response:
    """Answer 503: what is unavailable is back soon. Its own message may name hosts, so it goes to the log only."""
    part = next(name for kind, name in _UNAVAILABLE.items() if isinstance(error, kind))
    logger.warning(f"{request.method} {quote(_path(request))}: {type(error).__name__}: {error}")
    return document(_path(request), 503, f"{part} is unavailable: try again", "part-unavailable", {"Retry-After": "1"})


def _refusal(status: int, kind: str) -> Callable[[Request, Exception], Response]:
    def refuse(request: Request, error: Exception) -> Response:
        headers = etag(error.version) if isinstance(error, CampaignChanged | PortfolioChanged) else None
        return document(_path(request), status, str(error), kind, headers)

    return refuse


def _path(request: Request) -> str:
    return str(request.scope.get("path", ""))


class LastResort:
    """The outermost ASGI middleware: an error nobody expected is answered with 500, and makes one line in the log."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve as an ASGI 3 application."""
        began = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http":
                raise
            path = str(scope.get("path", ""))
            logger.error(f"{scope['method']} {quote(path)} failed: {type(error).__name__} {_place(error)}")
            if not began:
                await document(path, 500, _BUG)(scope, receive, send)


def _place(error: Exception) -> str:
    """Say where an error was raised, without what was in any variable."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
