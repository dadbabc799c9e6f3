"""Which model is published, and which one each replica serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Depends

from deployments.api.access import Caller, needs
from deployments.api.documents import responses
from deployments.models import Serving, champions, served

if TYPE_CHECKING:
    from deployments.router import Router


def routes(router: Router) -> APIRouter:
    """The call about models."""
    found = APIRouter(tags=["figures"])
    admin = Depends(needs(router, "admin"))

    @found.get("/models", summary="The published models, and what each replica serves", responses=responses("Models"))
    async def models(caller: Caller = admin) -> dict[str, Any]:
        """`published` is null until something was; a replica in `refused` says why it serves what it had.

        What is known of the models themselves is in `/admin/artefacts`; `pipelines.published` has the history.
        """
        return {
            kind: {"published": version, "replicas": [_shown(one) for one in await served(router.client, kind)]}
            for kind, version in (await champions(router.client)).items()
        }

    return found


def _shown(serving: Serving) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(serving)
    return shown
