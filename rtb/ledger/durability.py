"""Whether the ledger's server keeps what it acknowledges. Ours does; a Redis of the operator's own is asked."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from rtb.ledger.protocol import LedgerError

_SETTINGS = ("append*", "no-appendfsync-on-rewrite", "maxmemory*")
_SECTIONS = ("persistence", "memory", "replication", "cluster")
"""Of `INFO`, which managed servers answer though they refuse `CONFIG`."""


class Level(StrEnum):
    """What is on disk when a write is acknowledged, or how much of the last ones a crash takes."""

    EACH_WRITE = "each write"
    SECOND = "about a second"
    NONE = "none"
    UNKNOWN = "unknown"


class Durability(NamedTuple):
    """What a server promises.

    Attributes:
        level: of its disk.
        reason: why it is no better, and what would make it so; empty where there is no better.
        danger: why no money may be kept in it, whatever its disk promises: it deletes by itself, or takes no writes.
    """

    level: Level
    reason: str = ""
    danger: str = ""

    @property
    def is_safe(self) -> bool:
        """Whether what it acknowledged is kept."""
        return self.level is Level.EACH_WRITE and not self.danger

    def __str__(self) -> str:
        said = "; ".join(filter(None, (self.reason, self.danger)))
        return f"{self.level}: {said}" if said else self.level.value


class DurabilityWatch:
    """Looks at the server again and again: it may be replaced or set differently while the platform runs.

    Args:
        client: of the server.
        required: nothing may be bid or acknowledged while it keeps less than each write. While it may delete by
            itself, nothing may in any case.
    """

    def __init__(self, client: aioredis.Redis, *, required: bool = False) -> None:
        self._client = client
        self._required = required
        self.found = Durability(Level.UNKNOWN, "not looked at yet")

    @property
    def refusal(self) -> str:
        """Why nothing may be bid or acknowledged; empty when it may."""
        if self.found.danger:
            return f"the ledger's server must not hold money: {self.found.danger}"
        if not self._required or self.found.is_safe:
            return ""
        return f"RAYBID_REQUIRE_DURABLE is set, and the ledger's durability is {self.found}"

    async def look(self) -> None:
        """See what the server promises now.

        Raises:
            LedgerError: it does not answer; which one will, and what it promises, is not known then.
        """
        try:
            self.found = await read_durability(self._client)
        except LedgerError:
            self.found = Durability(Level.UNKNOWN, "the server does not answer")
            raise


async def read_durability(client: aioredis.Redis) -> Durability:
    """Ask a server how it keeps what it acknowledges.

    Raises:
        LedgerError: it does not answer.
    """
    asked: Any = client
    try:
        async with asked.pipeline(transaction=False) as pipe:
            for pattern in _SETTINGS:
                pipe.config_get(pattern)
            for section in _SECTIONS:
                pipe.info(section)
            answers = await pipe.execute(raise_on_error=False)  # what is refused comes back as an error in its place
    except (RedisError, OSError) as error:
        raise LedgerError(f"the ledger does not answer: {error}") from error
    facts: dict[str, Any] = {}
    for answer in answers:
        facts |= answer if isinstance(answer, dict) else {}
    return judge(facts)


def judge(facts: Mapping[str, Any]) -> Durability:
    """What settings and figures come to.

    Args:
        facts: of `CONFIG GET` and `INFO` by their names, as far as the server gave them.
    """
    return Durability(*_level(facts), _danger(facts))


def _level(facts: Mapping[str, Any]) -> tuple[Level, str]:
    keeps_file = facts.get("appendonly", {0: "no", 1: "yes"}.get(facts.get("aof_enabled", -1)))
    if keeps_file is None:
        return Level.UNKNOWN, "the server shows neither CONFIG nor INFO"
    if keeps_file != "yes":
        return Level.NONE, "appendonly is no: set `appendonly yes` and `appendfsync always`"
    if "appendfsync" not in facts:
        return Level.UNKNOWN, "there is an append-only file; how often it is synced is not shown, CONFIG is refused"
    return _synced(facts["appendfsync"], rewrites_too=facts.get("no-appendfsync-on-rewrite") != "yes")


def _synced(when: str, *, rewrites_too: bool) -> tuple[Level, str]:
    if when == "no":
        return Level.NONE, "appendfsync is no: set `appendfsync always`"
    if not rewrites_too:
        return Level.NONE, "nothing is synced while the file is rewritten: set `no-appendfsync-on-rewrite no`"
    if when == "always":
        return Level.EACH_WRITE, ""
    return Level.SECOND, f"appendfsync is {when}: set `appendfsync always`"


def _danger(facts: Mapping[str, Any]) -> str:
    if str(facts.get("role", "master")) == "slave":
        return "it is a replica, which takes no writes and may lag: name the primary in RAYBID_REDIS_URL"
    if int(facts.get("cluster_enabled", 0)):
        return "it is a cluster, which splits what must change together: use one server, cluster-enabled no"
    policy = facts.get("maxmemory-policy", facts.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction" or not int(facts.get("maxmemory", 0)):
        return ""
    # What lives for a time is what is remembered of bids; without it a repeated notice is a new one.
    lost = "notices that came, and count them again" if policy.startswith("volatile-") else "campaigns' money"
    return f"maxmemory-policy is {policy}, which may delete {lost}: set `maxmemory-policy noeviction`"
