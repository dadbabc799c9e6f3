"""The ledger's Lua scripts, pipelined: one round trip, and one sync of the server's disk, for many calls."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import redis.asyncio as aioredis
from redis.exceptions import NoScriptError, RedisError

from rtb.ledger.protocol import LedgerError
from rtb.runtime.outbox import once

_NEEDS = {"lease": ("day", "credit"), "settle": ("day", "credit"), "reclaim": ("credit",), "divide": ("day",)}
"""Shared parts of some scripts, besides `common`."""

_STAMPED = ("report",)  # these recognise a repeated parcel


class ScriptCall(NamedTuple):
    """A call of a script: its name (the file under `lua`) and arguments."""

    name: str
    arguments: Sequence[str | float]


class Scripts:
    """A caller of scripts by their digests, which the server forgets on a restart or `SCRIPT FLUSH`.

    Args:
        client: client with its own time-outs and retries.
    """

    def __init__(self, client: aioredis.Redis) -> None:
        self._client: Any = client

    async def run(self, calls: Sequence[ScriptCall]) -> list[Any]:
        """Run scripts; return the answer of each, or the error it failed with.

        Each is atomic, whatever happens to the others. They run in order, except that those unknown to the server run
        after the others.

        Raises:
            LedgerError: the server did not answer. Any of the scripts may have run.
        """
        answers = await self._send(calls)
        missed = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missed:  # these did nothing
            again = [calls[place] for place in missed]
            for place, answer in zip(missed, await self._send(again, {call.name for call in again}), strict=True):
                answers[place] = answer
        return answers

    async def _send(self, calls: Sequence[ScriptCall], load: Collection[str] = ()) -> list[Any]:
        """Send calls in one round trip, after the scripts to load, for a server that has just restarted."""
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for name in load:
                    pipe.script_load(_source(name))
                for name, arguments in calls:
                    pipe.evalsha(_digest(name), 0, *arguments)
                answers: list[Any] = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise LedgerError(f"the ledger does not answer: {error}") from error
        return answers[len(load) :]


@cache
def _source(name: str) -> str:
    folder = resources.files("rtb.ledger") / "lua"
    source = "".join((folder / f"{part}.lua").read_text() for part in ("common", *_NEEDS.get(name, ()), name))
    return once(source) if name in _STAMPED else source


@cache
def _digest(name: str) -> str:
    """Return the digest by which the server knows a script."""
    return hashlib.sha1(_source(name).encode(), usedforsecurity=False).hexdigest()
