"""Users: what is kept of a person is removed on request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query

from deployments.api.access import Admin
from deployments.api.answers import StructResponse
from deployments.api.documents import responses
from rtb.catalog import Catalog
from rtb.inventory.identity import users_named
from rtb.targeting.frequency import FrequencyGate
from rtb.targeting.users import UserKeys


class ForgottenUser(msgspec.Struct, frozen=True):
    """How many frequency counters of a user were removed."""

    frequency_counters: int


def routes(catalog: Catalog, users: UserKeys, frequency: FrequencyGate, eid_sources: Sequence[str] = ()) -> APIRouter:
    """Build the call about users; `eid_sources` are the sources of eids that are searched besides one that is named."""
    found = APIRouter(tags=["users"])

    @found.delete(
        "/users/{user_id:path}",
        summary="Remove what is kept of a person",
        responses=responses(ForgottenUser, also=(404, 503)),
    )
    async def forget(
        user_id: Annotated[str, Path(min_length=1, max_length=512, description="an id as in requests")],
        caller: Admin,
        source: Annotated[str, Query(max_length=512, description="`source` of the id in `eids`, if it is one")] = "",
    ) -> StructResponse:
        """Remove the frequency counters of the user whom a request names so; nothing else is kept by user.

        The id is searched as `user.buyeruid`, `user.id`, `device.ifa` and as an eid of the sources that are configured.

        Calling again does no harm, and removes what notices of bids already made have counted meanwhile.
        """
        entries = await asyncio.to_thread(catalog.all)
        sources = [*eid_sources, source] if source else eid_sources
        keys = [users.key(user) for user in users_named(user_id, sources)]
        removed = await frequency.forget(keys, [entry.number for entry in entries])
        return StructResponse(ForgottenUser(removed))

    return found
