"""What the OpenAPI document says of bodies and answers, which our own codec reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import FastAPI

from deployments.api import examples
from deployments.api.problems import MEDIA_TYPE
from deployments.figures import COUNTS, MONEY

_REF = "#/components/schemas/"
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
    503: "a part of the platform is away; try again",
}

Document = dict[str, Any]


def body(name: str | None, example: Any, kind: str = "application/json") -> Document:
    """What the document says of a body that is read raw.

    Args:
        name: of its schema; none: any object.
        example: one that works.
        kind: media type.
    """
    schema = {"type": "object"} if name is None else {"$ref": _REF + name}
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema, "example": example}}}}


def responses(
    name: str | None, *, status: int = 200, also: Sequence[int] = (), kind: str = "application/json", keyed: bool = True
) -> dict[int | str, Document]:
    """What the document says of answers.

    Args:
        name: of the schema of the good one; none: a text.
        status: of the good one.
        also: statuses of problems, besides those that any call with a key may get.
        kind: media type of the good one.
        keyed: whether the call may be refused for its key.
    """
    schema = {"type": "string"} if name is None else {"$ref": _REF + name}
    good = {"description": "done" if status == 201 else "the answer", "content": {kind: {"schema": schema}}}
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}Problem"}}}}
    statuses = sorted({*(_KEYED if keyed else ()), *also})
    return {status: good} | {number: {"description": _SAYS[number], **problem} for number in statuses}


def install(app: FastAPI, kinds: Sequence[type[msgspec.Struct]]) -> None:
    """Put what FastAPI does not know into the OpenAPI document: our types, and the paths that never reach it.

    Args:
        app: the application.
        kinds: types that bodies and answers name.
    """
    generate = app.openapi

    def openapi() -> Document:
        document = generate()
        _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF + "{name}")
        document["paths"].update(_FAST_PATHS)
        document.setdefault("components", {}).setdefault("schemas", {}).update(schemas | _answers(schemas))
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _answers(schemas: dict[str, Document]) -> dict[str, Document]:
    """Schemas of answers that are made of several things."""
    number, text, flag = {"type": "integer"}, {"type": "string"}, {"type": ["string", "null"]}
    figures = _object({**{f"{pot}_micros": number for pot in MONEY}, **dict.fromkeys(COUNTS, number)})
    campaign = schemas["Campaign"]
    shown = {"number": number, "version": number, "created_at": text, "figures": {"anyOf": [figures, {"type": "null"}]}}
    shown["over_budget_micros"] = {
        "type": ["integer", "null"],
        "description": "spent or promised beyond a budget that was cut since: above 0 it does not bid",
    }
    key = {
        "id": text,
        "name": text,
        "scopes": {"type": "array", "items": text},
        "per_minute": {"type": ["integer", "null"]},
        "created_at": flag,
        "created_by": text,
        "revoked_at": flag,
    }
    change = {"at": text, "actor": text, "action": text, "version": number}
    decision = {"at": text, "action": text, "version": text, "before": flag, "reason": text}
    decision["comparison"] = {"type": "object"}
    serving = {"type": "array", "items": _object({"replica": text, "version": text, "state": text, "refused": text})}
    state = {"type": "object", "properties": {"state": text}, "required": ["state"]}
    return {
        "Problem": _object({"type": text, "title": text, "status": number, "detail": text, "instance": text}),
        "CampaignShown": _object({**campaign["properties"], **shown}),
        "CampaignList": _list("CampaignShown"),
        "Creatives": _list("Creative"),
        "Changes": {"type": "array", "items": _object(change)},
        "Key": _object(key),
        "MadeKey": _object({**key, "key": text}),
        "Keys": _list("Key"),
        "Settings": {"type": "object"},
        "Exchanges": {"type": "array", "items": _object({"name": text, "path": text})},
        "Artefacts": {"type": "object", "additionalProperties": _object({"version": text})},
        "Models": {"type": "object", "additionalProperties": _object({"published": flag, "replicas": serving})},
        "ModelRecord": _object(
            {"champion": flag, "former": flag, "history": {"type": "array", "items": _object(decision)}}
        ),
        "Decision": _object(decision),
        "Publication": _object({"job": text, "state": text, "says": text}),
        "Experiment": _object(
            {"number": number, "kind": text, "challenger": text, "share": {"type": "number"}}
            | {"running": {"type": "boolean"}, "started_at": text, "ended_at": flag}
        ),
        "Portfolios": _list("PortfolioDescribed"),
        "PortfolioDescribed": _object({**schemas["Portfolio"]["properties"], "version": number, "created_at": text}),
        "PortfolioShown": _object(
            {**schemas["Portfolio"]["properties"], "version": number, "total_micros": number, "decisions": number}
            | {"decided_at": flag, "figures": {"type": "object"}, "campaigns": {"type": "object"}}
        ),
        "Moves": {
            "type": "array",
            "items": _object({"at": text, "source": text, "target": text, "micros": number, "because": text}),
        },
        "WhatIf": _object(
            {"strategy": text, "total_micros": number, "unallocated_micros": number}
            | {"campaigns": {"type": "object"}, "moves": {"type": "array", "items": {"type": "object"}}}
        ),
        "Explanation": _explanation(),
        "Live": _object({"status": text}),
        "Ready": _object({"status": text, "missing": {"type": "array", "items": text}}),
        "Forgotten": _object({"frequency_counters": number}),
        "Stopped": _object({"stopped": {"type": "boolean"}}),
        "Health": _object(
            {"status": text, "ledger": text, "durability": text, "campaigns": number}
            | {"parts": {"type": "object", "additionalProperties": state}}
        ),
        "Stats": _object(
            {
                "ledger": {"type": "object", "additionalProperties": number},
                "campaigns": {"type": "object", "additionalProperties": figures},
                "counters": {"type": "object", "additionalProperties": number},
                "events": _object({"length": number, "lag": {"type": "number"}}),
            }
        ),
    }


def _explanation() -> Document:
    number, text, anything = {"type": "integer"}, {"type": "string"}, {"type": "object"}
    parts = ("request", "imp", "price", "dropped", "lease", "made_by")
    lists = ("features", "candidates", "outcome")
    return _object(
        {"bid_id": text, "price_micros": number, "recomputed_micros": number, "equal": {"type": "boolean"}}
        | {"at": text, "campaign": text, "creative": text, "experiment": {"type": ["integer", "null"]}}
        | dict.fromkeys(parts, anything)
        | {name: {"type": "array", "items": anything} for name in lists}
    )


def _object(properties: dict[str, Any]) -> Document:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(name: str) -> Document:
    return {"type": "array", "items": {"$ref": _REF + name}}


_FAST_PATHS: Document = {
    "/openrtb2/bid": {
        "post": {
            "tags": ["exchanges"],
            "summary": "OpenRTB 2.6 bid request",
            "description": "One bid request as JSON. The reason of a 4xx is in the log and the counters (`/stats`).",
            **body(None, examples.OPENRTB),
            "responses": {
                "200": {"description": "a bid response", "content": {"application/json": {}}},
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
                "204": {"description": "taken up, durably; repeating it changes nothing"},
                "302": {"description": "a click, on its way to the landing page"},
                "400": {"description": "no usable price"},
                "403": {"description": "forged token"},
                "404": {"description": "unknown kind; of a click, a campaign that is not active any more"},
                "410": {"description": "the bid has expired"},
                "503": {"description": "the ledger is away, or lost figures of the campaign: send it again"},
            },
        }
    },
}
