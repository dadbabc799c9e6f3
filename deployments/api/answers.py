"""How answers are written: structs as JSON, moments as text, the version of what is shown as its ETag."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import Query, Response

HistoryLimit = Annotated[int, Query(ge=1, le=10_000)]


class StructResponse(Response):
    """A struct, or a container of structs, as JSON."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Return the body."""
        return msgspec.json.encode(content)


def versioned(content: object, version: int, status: int = 200) -> StructResponse:
    """Return an answer whose ETag is the version that the next change has to name."""
    return StructResponse(content, status, etag(version))


def etag(version: int) -> dict[str, str]:
    """Return the header that says which version is current."""
    return {"ETag": f'"{version}"'}


def moment(at: float) -> str:
    """Return a Unix time in ISO 8601, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat()
