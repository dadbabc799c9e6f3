"""Preparation before a platform starts: valid settings, a trustworthy ledger, models to serve."""

from __future__ import annotations

import asyncio
import shutil

import redis.asyncio as aioredis
from pydantic import ValidationError
from rich.console import Console

from raybid.local.checks import LaunchError, preflight
from raybid.local.environment import ROOT
from raybid.local.models import train_missing
from rtb.ledger import Durability, LedgerError, read_durability
from rtb.models.artefacts import META
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation import reference

_LEDGER_TIMEOUT_S = 5.0


def prepare(settings: Settings, console: Console) -> None:
    """Check ports, folders and the ledger's server, and create missing models.

    Raises:
        LaunchError: the platform cannot start; the message says what to do.
        OSError: a folder is not writable.
    """
    preflight(settings)
    check_durability(settings, console)
    train_missing(settings, console.print)
    _take_published(settings, console)


def faults(error: ValidationError) -> str:
    """List invalid settings, each by the variable that sets it."""
    return "; ".join(f"RAYBID_{_path(item['loc'])}: {item['msg']}" for item in error.errors())


def check_durability(settings: Settings, console: Console) -> None:
    """Report what an external Redis may lose; the embedded server loses nothing.

    Raises:
        LaunchError: it does not answer, or is less durable than the settings require.
    """
    if not settings.redis_url:
        return
    try:
        found = asyncio.run(_durability(settings))
    except LedgerError as error:
        raise LaunchError(f"the server at RAYBID_REDIS_URL does not answer: {error}") from error
    if found.is_safe:
        return
    if settings.require_durable:
        raise LaunchError(f"RAYBID_REQUIRE_DURABLE is set, and the ledger's durability is {found}")
    console.print(plain(f"ledger durability: {found}"), style="yellow", soft_wrap=True)


async def _durability(settings: Settings) -> Durability:
    async with aioredis.Redis.from_url(settings.ledger_url, socket_timeout=_LEDGER_TIMEOUT_S) as client:
        return await read_durability(client)


def _take_published(settings: Settings, console: Console) -> None:
    """Install the published policy if there is none.

    Raises:
        OSError: its folder is not writable.
    """
    if (settings.policy_dir / META).exists():
        return
    console.print(f"serving the published policy of {reference.POLICY.relative_to(ROOT)}")
    shutil.copytree(reference.POLICY, settings.policy_dir, dirs_exist_ok=True)


def _path(parts: tuple[int | str, ...]) -> str:
    return "_".join(str(part) for part in parts).upper()
