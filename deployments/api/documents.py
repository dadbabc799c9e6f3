"""What the OpenAPI document says of bodies and answers: the schemas of their types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI

from deployments.api import examples
from deployments.api.problems import MEDIA_TYPE, ProblemDetails
from rtb.openrtb import BidResponse

_REF = "#/components/schemas/{name}"
_KEYED = (401, 403, 422, 429, 503)

_SAYS = {
    400: "a header that cannot be read",
    401: "X-API-Key is missing, unknown or revoked",
    403: "not for this key, or a forged token",
    404: "there is no such thing",
    408: "the body was not there in time",
    409: "it is there already, or archived",
    410: "the bid has expired",
    412: "another version is current; its ETag is sent with this answer",
    413: "the body is too large",
    422: "a body or parameter that cannot be used; the detail names the field",
    428: "If-Match is missing",
    429: "too many calls in a minute; Retry-After says when to try again",
    503: "a part of the platform is unavailable; try again",
}

Document = dict[str, Any]


class Schema(Document):
    """The JSON schema of a type; structs in it are references to the document's components.

    Attributes:
        kind: the type.
    """

    def __init__(self, kind: Any) -> None:
        (schema,), _ = msgspec.json.schema_components((kind,), ref_template=_REF)
        super().__init__(schema)
        self.kind = kind


def body(kind: Any, example: Any, media: str = "application/json") -> Document:
    """Return what the document says of a body that is read raw.

    Args:
        kind: the type it is decoded to.
        example: one that works.
        media: media type.
    """
    return {"requestBody": {"required": True, "content": {media: {"schema": Schema(kind), "example": example}}}}


def responses(
    kind: Any, *, status: int = 200, also: Iterable[int] = (), media: str = "application/json", keyed: bool = True
) -> dict[int | str, Document]:
    """Return what the document says of answers.

    Args:
        kind: the type of the good one.
        status: of the good one.
        also: statuses of problems, besides those that any call with a key may get.
        media: media type of the good one.
        keyed: whether the call may be refused for its key.
    """
    good = {"description": "done" if status == 201 else "the answer", "content": {media: {"schema": Schema(kind)}}}
    return {status: good} | problems(*also, keyed=keyed)


def problems(*also: int, keyed: bool = True) -> dict[int | str, Document]:
    """Return what the document says of problems: see `responses`."""
    problem = {"content": {MEDIA_TYPE: {"schema": Schema(ProblemDetails)}}}
    statuses = sorted({*(_KEYED if keyed else ()), *also})
    return {status: {"description": _SAYS[status], **problem} for status in statuses}


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Put what FastAPI does not know into the OpenAPI document: our types, and the paths that never reach it.

    Args:
        app: the application.
        routers: its routes, whose bodies and answers name the types.
    """
    generate = app.openapi
    routes: list[Any] = [route for one in routers for route in one.routes]

    def openapi() -> Document:
        document = generate()
        document["paths"].update(_FAST_PATHS)
        kinds = [kind for route in routes for kind in _kinds((route.openapi_extra, route.responses))]
        _, schemas = msgspec.json.schema_components([*kinds, *_kinds(_FAST_PATHS)], ref_template=_REF)
        document.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _kinds(said: Any) -> Iterator[Any]:
    """Yield the types of all schemas in a part of the document."""
    if isinstance(said, Schema):
        yield said.kind
    elif isinstance(said, dict | tuple):
        for one in said.values() if isinstance(said, dict) else said:
            yield from _kinds(one)


def _sync_parameter(name: str, about: str) -> Document:
    return {"name": name, "in": "query", "description": about, "schema": {"type": "string"}}


_FAST_PATHS: Document = {
    "/openrtb2/bid": {
        "post": {
            "tags": ["exchanges"],
            "summary": "OpenRTB 2.6 bid request",
            "description": "One bid request as JSON. The reason of a 4xx is in the log and the counters (`/stats`).",
            **body(dict, examples.OPENRTB),
            "responses": {
                "200": responses(BidResponse)[200],
                "204": {"description": "no bid"},
                "400": {"description": "malformed request, no body"},
                "401": {"description": "unknown X-API-Key"},
                "403": {"description": "the key is another exchange's"},
                "408": {"description": "body not there in time"},
                "413": {"description": "body too large"},
                "415": {"description": "a Content-Encoding other than gzip"},
                "431": {"description": "headers too large"},
            },
        }
    },
    "/notice/{kind}/{token}": {
        "get": {
            "tags": ["exchanges"],
            "summary": "Win, billing, loss, click or conversion notice",
            "description": "URLs of this form are in every bid; exchanges and browsers call them as they are.",
            "parameters": [
                {"name": "kind", "in": "path", "required": True, "schema": {"type": "string"}},
                {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}},
                {"name": "price", "in": "query", "description": "clearing price, CPM", "schema": {"type": "string"}},
            ],
            "responses": {
                "204": {"description": "processed durably; repeating it changes nothing"},
                "302": {"description": "a click, on its way to the landing page"},
                "400": {"description": "no usable price"},
                "403": {"description": "forged token"},
                "404": {"description": "unknown kind; of a click, a campaign that is not active any more"},
                "410": {"description": "the bid has expired"},
                "503": {"description": "the ledger is unavailable, or lost figures of the campaign: send it again"},
            },
        }
    },
    "/sync/{exchange}": {
        "get": {
            "tags": ["exchanges"],
            "summary": "User sync: tell an exchange our id of a browser",
            "description": "Browsers call it, from an image or an iframe. The id is in a cookie; signals that do not "
            "allow one remove it.",
            "parameters": [
                {"name": "exchange", "in": "path", "required": True, "schema": {"type": "string"}},
                _sync_parameter("r", "address to redirect to, at a host of the exchange, with its macro for the id"),
                _sync_parameter("f", "without `r`: `i`, a pixel, or `b`, an empty page"),
                _sync_parameter("gdpr", "1: GDPR applies, 0: it does not, empty: not known"),
                _sync_parameter("gdpr_consent", "TCF consent string"),
                _sync_parameter("us_privacy", "US privacy string"),
                _sync_parameter("gpp", "GPP string"),
                _sync_parameter("gpp_sid", "ids of the GPP sections that apply, comma-separated"),
            ],
            "responses": {
                "200": {"description": "a pixel or an empty page"},
                "302": {"description": "on the way to the exchange, with an id where the signals allow one"},
                "400": {"description": "no `r`, or one that is no address or lacks the macro; a parameter twice"},
                "403": {"description": "`r` does not lead to a host of the exchange"},
                "404": {"description": "no such exchange, or it has no user sync"},
                "414": {"description": "query too long"},
                "429": {"description": "too many user syncs of one address in a minute"},
                "431": {"description": "headers too large"},
            },
        }
    },
}
