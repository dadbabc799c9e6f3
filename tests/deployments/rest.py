"""The API of a replica with some of its calls."""

from __future__ import annotations

from collections.abc import Sequence

import redis.asyncio as aioredis
from fastapi import APIRouter

from deployments.api import Rest
from deployments.guard import AccessGuard
from rtb.catalog import KeyRing
from rtb.runtime.rate_limits import Limiter
from rtb.runtime.settings import Settings


def rest(calls: Sequence[APIRouter], settings: Settings, keys: KeyRing) -> Rest:
    """Return an API whose limiter is never synchronised: it asks no server."""
    guard = AccessGuard(settings, lambda name: None, lambda line: None)
    return Rest(calls, keys, guard, Limiter(aioredis.Redis(), expected=1), settings.calls_per_minute)
