"""Whose key a call needs, and who makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from rtb.catalog import Key, Scope

CALLER = "raybid.caller"
"""Where a request's scope has its `Caller`, once it has passed the gate."""

ACTOR = "raybid.actor"
"""Where a request's scope has the name of who makes it."""

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


@dataclass(frozen=True)
class Needs:
    """A dependency: the caller, who has passed `ApiGate`, which reads here what it is to ask for.

    Attributes:
        scope: that the key must have.
        is_optional: whether a call from this machine may come without a key. One that is sent must be good all the
            same.
    """

    scope: Scope
    is_optional: bool = False

    async def __call__(
        self,
        request: Request,
        header: Annotated[object, Depends(_header)],  # both are there for the document
        bearer: Annotated[object, Depends(_bearer)],
    ) -> Caller:
        """Return who the gate has let pass; a call that did not come through it fails."""
        caller: Caller = request.scope[CALLER]
        return caller


Admin = Annotated[Caller, Depends(Needs("admin"))]
"""The caller, whose key administers."""

Reader = Annotated[Caller, Depends(Needs("report"))]
"""The caller, whose key may read figures."""
