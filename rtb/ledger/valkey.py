"""The ledger over Redis or Valkey: every operation is one Lua script, so it happens whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from rtb.events import STREAM
from rtb.ledger.protocol import Balance, Closing, Grant, LedgerError, Mark, Outcome, Terms, Usage, mark_seconds
from rtb.notices import BidRef, Kind
from rtb.outbox import Stamp, once

_COUNTER = {Kind.WIN: "wins", Kind.BILL: "bills", Kind.CLICK: "clicks", Kind.CONVERSION: "conversions"}
_NEEDS = {"lease": ("day",), "settle": ("day",)}  # shared parts besides `common`
_RECLAIM_AT_ONCE = 500  # leases in one script call, so that no other call waits long


@cache
def _source(name: str) -> str:
    folder = resources.files("rtb.ledger") / "lua"
    return "".join((folder / f"{part}.lua").read_text() for part in ("common", *_NEEDS.get(name, ()), name))


class ValkeyLedger:
    """See `Ledger`.

    Args:
        client: of a Redis 6.2 or later, or a Valkey; connection and socket time-outs are its own.
    """

    def __init__(self, client: aioredis.Redis) -> None:
        self._client: Any = client
        names = ("open", "lease", "close", "settle", "release", "count", "reclaim", "restore", "remember")
        self._scripts = {name: client.register_script(_source(name)) for name in names}
        self._scripts["report"] = client.register_script(once(_source("report")))

    async def open(self, campaign: int, terms: Terms | int) -> None:
        """See `Ledger.open`."""
        terms = Terms(terms) if isinstance(terms, int) else terms
        await self._call("open", campaign, *terms[:4], int(terms.paused))

    async def lease(self, grants: Sequence[Grant]) -> list[int]:
        """See `Ledger.lease`; one round trip for all."""
        rows = [(f"{grant.lease:016x}", *grant[1:]) for grant in grants]
        return [int(amount) for amount in await self._call_many("lease", rows)]

    async def close(self, leases: Sequence[Closing]) -> None:
        """See `Ledger.close`; one round trip for all."""
        await self._call_many("close", [(f"{closing.lease:016x}", *closing[1:]) for closing in leases])

    async def settle(
        self, ref: BidRef, kind: Kind, price_micros: int, now: float, *, min_to_win_micros: int | None = None
    ) -> Outcome:
        """See `Ledger.settle`."""
        bid = (ref.bid_id, f"{ref.lease:016x}", ref.campaign, ref.ceiling_micros)
        rest = (price_micros, kind.value, _COUNTER[kind], now, mark_seconds(ref, kind, now))
        return Outcome(await self._call("settle", *bid, *rest, STREAM, _or_empty(min_to_win_micros)))

    async def release(self, ref: BidRef, now: float, *, min_to_win_micros: int | None = None) -> Outcome:
        """See `Ledger.release`."""
        bid = (ref.bid_id, f"{ref.lease:016x}", ref.campaign, ref.ceiling_micros)
        rest = (now, mark_seconds(ref, Kind.LOSS, now), STREAM, _or_empty(min_to_win_micros))
        return Outcome(await self._call("release", *bid, *rest))

    async def count(self, ref: BidRef, kind: Kind, now: float, *, min_to_win_micros: int | None = None) -> Outcome:
        """See `Ledger.count`."""
        row = (ref.bid_id, ref.campaign, kind.value, _COUNTER[kind], now, mark_seconds(ref, kind, now))
        return Outcome(await self._call("count", *row, STREAM, _or_empty(min_to_win_micros)))

    async def report(self, usages: Sequence[Usage], stamp: Stamp | None = None) -> None:
        """See `Ledger.report`; one call for all."""
        if usages:
            await self._call("report", *(stamp or ("", "")), *(part for usage in usages for part in usage))

    async def reclaim(self, now: float) -> int:
        """See `Ledger.reclaim`."""
        total = 0
        while True:
            returned, seen = await self._call("reclaim", now, _RECLAIM_AT_ONCE)
            total += int(returned)
            if seen < _RECLAIM_AT_ONCE:
                return total

    async def balances(self, campaigns: Sequence[int]) -> list[Balance]:
        """See `Ledger.balances`; one round trip for all."""
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for number in campaigns:
                    pipe.hmget(f"raybid:campaign:{number}", Balance._fields)
                rows = await pipe.execute()
        except (RedisError, OSError) as error:
            raise LedgerError(f"the ledger does not answer: {error}") from error
        return [_balance(row) for row in rows]

    async def restore(self, campaign: int, balance: Balance, *, overwrite: bool = False) -> bool:
        """See `Ledger.restore`."""
        figures = [part for name, value in balance._asdict().items() for part in (name, _exact(value))]
        return bool(await self._call("restore", campaign, int(overwrite), *figures))

    async def remember(self, marks: Sequence[Mark]) -> None:
        """See `Ledger.remember`; one round trip for all."""
        await self._call_many("remember", [(mark.bid, mark.seconds, *mark.names) for mark in marks])

    async def _call(self, name: str, *arguments: str | float) -> Any:
        try:
            answer = await self._scripts[name](args=arguments)
        except (RedisError, OSError) as error:
            raise LedgerError(f"the ledger does not answer: {error}") from error
        return answer.decode() if isinstance(answer, bytes) else answer

    async def _call_many(self, name: str, rows: Sequence[tuple[str | float, ...]]) -> list[Any]:
        if not rows:
            return []
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for row in rows:
                    await self._scripts[name](args=row, client=pipe)
                answers: list[Any] = await pipe.execute()
        except (RedisError, OSError) as error:
            raise LedgerError(f"the ledger does not answer: {error}") from error
        return answers


def _or_empty(micros: int | None) -> int | str:
    """As the scripts take what may not be known."""
    return "" if micros is None else micros


def _exact(value: float) -> str | int:
    """As the server reads it without loss: whole numbers as integers, whatever their size."""
    return int(value) if math.isfinite(value) and value == int(value) else repr(value)


def _balance(row: list[bytes | None]) -> Balance:
    defaults = Balance._field_defaults
    return Balance(
        *(
            type(defaults[name])(value) if value is not None else defaults[name]
            for name, value in zip(Balance._fields, row, strict=True)
        )
    )
