"""Users: what is kept of a person is removed on request."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path

from deployments.api.access import Admin
from deployments.api.answers import StructResponse
from deployments.api.documents import responses
from rtb.catalog import Catalog
from rtb.inventory.impression import USER_SOURCES
from rtb.targeting.frequency import FrequencyGate
from rtb.targeting.users import UserKeys


class ForgottenUser(msgspec.Struct, frozen=True):
    """How many frequency counters of a user were removed."""

    frequency_counters: int


def routes(catalog: Catalog, users: UserKeys, frequency: FrequencyGate) -> APIRouter:
    """Build the call about users."""
    found = APIRouter(tags=["users"])

    @found.delete(
        "/users/{user_id:path}",
        summary="Remove what is kept of a person",
        responses=responses(ForgottenUser, also=(404, 503)),
    )
    async def forget(
        user_id: Annotated[str, Path(min_length=1, max_length=512, description="`user.buyeruid` or `user.id`")],
        caller: Admin,
    ) -> StructResponse:
        """Remove the frequency counters of the user whom a request names so; nothing else is kept by user.

        Calling again does no harm, and removes what notices of bids already made have counted meanwhile.
        """
        entries = await asyncio.to_thread(catalog.all)
        keys = [users.key(f"{source}:{user_id}") for source in USER_SOURCES]
        removed = await frequency.forget(keys, [entry.number for entry in entries])
        return StructResponse(ForgottenUser(removed))

    return found
