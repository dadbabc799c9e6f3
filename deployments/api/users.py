"""Users: what is kept of a person is removed when they ask for it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import JSONResponse

from deployments.api.access import Caller, Needs
from deployments.api.documents import responses
from rtb.catalog import Catalog
from rtb.inventory.impression import USER_SOURCES
from rtb.targeting.frequency import FrequencyGate
from rtb.targeting.users import UserKeys


def routes(catalog: Catalog, users: UserKeys, frequency: FrequencyGate) -> APIRouter:
    """The call about users."""
    found = APIRouter(tags=["users"])
    admin = Depends(Needs("admin"))

    @found.delete(
        "/users/{user_id:path}",
        summary="Remove what is kept of a person",
        responses=responses("Forgotten", also=(404, 503)),
    )
    async def forget(
        user_id: Annotated[str, Path(min_length=1, max_length=512, description="`user.buyeruid` or `user.id`")],
        caller: Caller = admin,
    ) -> JSONResponse:
        """Remove the frequency counters of the user whom a request names so; nothing else is kept by user.

        Calling again does no harm, and removes what notices of bids already made have counted meanwhile.
        """
        entries = await asyncio.to_thread(catalog.all)
        keys = [users.key(f"{source}:{user_id}") for source in USER_SOURCES]
        removed = await frequency.forget(keys, [entry.number for entry in entries])
        return JSONResponse({"frequency_counters": removed})

    return found
