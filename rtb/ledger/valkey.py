"""The ledger over Redis or Valkey: every operation is one Lua script, so it happens whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from rtb.events import STREAM, STREAM_LENGTH
from rtb.ledger.protocol import Balance, Closing, Grant, LedgerError, Outcome, Terms, Usage
from rtb.notices import BidRef, Kind, counts_until

_HOUR = 3_600
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
        names = ("open", "lease", "close", "settle", "release", "count", "report", "reclaim")
        self._scripts = {name: client.register_script(_source(name)) for name in names}

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
        self, ref: BidRef, kind: Kind, price_micros: int, now: float, *, min_to_win_micros: int = 0
    ) -> Outcome:
        """See `Ledger.settle`."""
        bid = (ref.bid_id, f"{ref.lease:016x}", ref.campaign, ref.ceiling_micros)
        rest = (price_micros, kind.value, _COUNTER[kind], now, _mark_seconds(ref, kind, now))
        return Outcome(await self._call("settle", *bid, *rest, STREAM, STREAM_LENGTH, min_to_win_micros))

    async def release(self, ref: BidRef, now: float, *, min_to_win_micros: int = 0) -> Outcome:
        """See `Ledger.release`."""
        bid = (ref.bid_id, f"{ref.lease:016x}", ref.campaign, ref.ceiling_micros)
        rest = (now, _mark_seconds(ref, Kind.LOSS, now), STREAM, STREAM_LENGTH, min_to_win_micros)
        return Outcome(await self._call("release", *bid, *rest))

    async def count(self, ref: BidRef, kind: Kind, now: float, *, min_to_win_micros: int = 0) -> Outcome:
        """See `Ledger.count`."""
        row = (ref.bid_id, ref.campaign, kind.value, _COUNTER[kind], now, _mark_seconds(ref, kind, now))
        return Outcome(await self._call("count", *row, STREAM, STREAM_LENGTH, min_to_win_micros))

    async def report(self, usages: Sequence[Usage]) -> None:
        """See `Ledger.report`; one round trip for all."""
        await self._call_many("report", usages)

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


def _mark_seconds(ref: BidRef, kind: Kind, now: float) -> int:
    """How long a notice is remembered: an hour past the time when it would be refused anyway."""
    return max(0, int(counts_until(ref, kind) - now)) + _HOUR


def _balance(row: list[bytes | None]) -> Balance:
    defaults = Balance._field_defaults
    return Balance(
        *(
            type(defaults[name])(value) if value is not None else defaults[name]
            for name, value in zip(Balance._fields, row, strict=True)
        )
    )
