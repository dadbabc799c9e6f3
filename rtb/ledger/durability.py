"""Durability of the ledger's server. The embedded one keeps what it acknowledges; the operator's own is asked."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from rtb.ledger.protocol import LedgerError

_SETTINGS = ("append*", "no-appendfsync-on-rewrite", "maxmemory*")
_SECTIONS = ("persistence", "memory", "replication", "cluster")
"""Sections of `INFO`, which managed servers answer though they refuse `CONFIG`."""


class Level(StrEnum):
    """Levels of durability: what is on disk when a write is acknowledged, or how much a crash loses."""

    EACH_WRITE = "each write"
    SECOND = "about a second"
    NONE = "none"
    UNKNOWN = "unknown"


class Durability(NamedTuple):
    """The durability of a server.

    Attributes:
        level: level of its writes to disk.
        reason: why it is no better, and how to improve it; empty at the best level.
        danger: why it must not hold money, whatever the level: it evicts keys, or takes no writes.
    """

    level: Level
    reason: str = ""
    danger: str = ""

    @property
    def is_safe(self) -> bool:
        """Whether acknowledged writes survive a crash."""
        return self.level is Level.EACH_WRITE and not self.danger

    def __str__(self) -> str:
        said = "; ".join(filter(None, (self.reason, self.danger)))
        return f"{self.level}: {said}" if said else self.level.value


class DurabilityWatch:
    """A monitor of the server's durability: it may be replaced or reconfigured while the platform runs.

    Args:
        client: client of the server.
        required: whether bidding and acknowledging stop while a crash may lose writes. While keys may be evicted they
            stop in any case.
    """

    def __init__(self, client: aioredis.Redis, *, required: bool = False) -> None:
        self._client = client
        self._required = required
        self.found = Durability(Level.UNKNOWN, "not looked at yet")

    @property
    def refusal(self) -> str:
        """Why bids and notices must be refused; empty where they need not be."""
        if self.found.danger:
            return f"the ledger's server must not hold money: {self.found.danger}"
        if not self._required or self.found.is_safe:
            return ""
        return f"RAYBID_REQUIRE_DURABLE is set, and the ledger's durability is {self.found}"

    async def look(self) -> None:
        """Read the server's durability again.

        Raises:
            LedgerError: it does not answer; its durability is unknown then.
        """
        try:
            self.found = await read_durability(self._client)
        except LedgerError:
            self.found = Durability(Level.UNKNOWN, "the server does not answer")
            raise


async def read_durability(client: aioredis.Redis) -> Durability:
    """Read the durability of a server.

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
            answers = await pipe.execute(raise_on_error=False)  # refused commands return errors in place
    except (RedisError, OSError) as error:
        raise LedgerError(f"the ledger does not answer: {error}") from error
    facts: dict[str, Any] = {}
    for answer in answers:
        facts |= answer if isinstance(answer, dict) else {}
    return assess_durability(facts)


def assess_durability(facts: Mapping[str, Any]) -> Durability:
    """Return the durability that settings and figures amount to.

    Args:
        facts: values of `CONFIG GET` and `INFO` by name, as far as the server gave them.
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
    # Keys with an expiry are the memory of bids; without it a repeated notice is a new one.
    lost = "notices that came, and count them again" if policy.startswith("volatile-") else "campaigns' money"
    return f"maxmemory-policy is {policy}, which may delete {lost}: set `maxmemory-policy noeviction`"
