"""The ledger in Redis or Valkey: every operation is one Lua script, and so atomic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import redis.asyncio as aioredis
from redis.exceptions import RedisError

from rtb.events import STREAM
from rtb.ledger.protocol import (
    ANYBODY,
    Balance,
    Closing,
    Division,
    Floor,
    Grant,
    LedgerError,
    Mark,
    NoticeOutcome,
    Terms,
    Transfer,
    Usage,
    mark_seconds,
)
from rtb.ledger.scripts import ScriptCall, Scripts
from rtb.runtime.micro_batcher import MicroBatcher
from rtb.runtime.outbox import Stamp
from rtb.settlement.notice_tokens import USERS, BidRef, Kind

_COUNTER = {Kind.WIN: "wins", Kind.BILL: "bills", Kind.CLICK: "clicks", Kind.CONVERSION: "conversions"}
_RECLAIM_AT_ONCE = 500  # leases in one script call, so that no other call waits long
_BALANCES_AT_ONCE = 256  # campaigns in one script call, for the same reason
_CALLS_AT_ONCE = 128  # in one round trip: encoding them blocks the event loop
_FIGURES = (*Balance._fields, *(str(value) for value in Balance._field_defaults.values()))

Item = TypeVar("Item")


class ValkeyLedger:
    """A ledger in Redis or Valkey. See `Ledger`.

    Concurrent notices are pipelined, each as a script call of its own.

    Args:
        client: client of a Redis 6.2 or later, or a Valkey, with its own time-outs.
        max_batch: most notices in one round trip. A server reads about this many at once, and then syncs its disk.
        in_flight: round trips of notices in flight at once; with two, one is encoded while the other is processed.
    """

    def __init__(self, client: aioredis.Redis, *, max_batch: int = 64, in_flight: int = 2) -> None:
        self._client: Any = client
        self._scripts = Scripts(client)
        # While the server is unavailable, queued notices fail together instead of each waiting for a time-out.
        self._notices = MicroBatcher(self._scripts.run, max_batch, in_flight, unavailable=LedgerError)

    async def open(self, campaign: int, terms: Terms | int) -> None:
        """See `Ledger.open`."""
        terms = Terms(terms) if isinstance(terms, int) else terms
        await self.open_all({campaign: terms})

    async def open_all(self, terms: Mapping[int, Terms]) -> None:
        """See `Ledger.open_all`; some at a time."""
        await self._call_many("open", [(campaign, *one[:4], int(one.paused)) for campaign, one in terms.items()])

    async def move(self, transfers: Sequence[Transfer], now: float) -> list[int]:
        """See `Ledger.move`; some at a time."""
        rows = [(*one[:3], now, one.portfolio, one.because, STREAM) for one in transfers]
        return [int(micros) for micros in await self._call_many("move", rows)]

    async def divide(self, divisions: Sequence[Division]) -> list[int]:
        """See `Ledger.divide`; some at a time."""
        return [int(budget) for budget in await self._call_many("divide", divisions)]

    async def rejoin(self, campaigns: Sequence[int]) -> list[bool]:
        """See `Ledger.rejoin`; some at a time."""
        return [bool(had) for had in await self._call_many("rejoin", [(campaign,) for campaign in campaigns])]

    async def lease(self, grants: Sequence[Grant]) -> list[int]:
        """See `Ledger.lease`; some at a time."""
        rows = [(f"{one.lease:016x}", *one[1:-2], _or_nobody(one.caller), one.caller_share) for one in grants]
        return [int(amount) for amount in await self._call_many("lease", rows)]

    async def close(self, leases: Sequence[Closing]) -> None:
        """See `Ledger.close`; some at a time."""
        await self._call_many("close", [(f"{one.lease:016x}", *one[1:-1], _or_nobody(one.caller)) for one in leases])

    async def settle(
        self, ref: BidRef, kind: Kind, price_micros: int, now: float, *, min_to_win_micros: int | None = None
    ) -> NoticeOutcome:
        """See `Ledger.settle`."""
        bid = (ref.bid_id, f"{ref.lease:016x}", ref.campaign, ref.ceiling_micros)
        rest = (price_micros, kind.value, _COUNTER[kind], now, mark_seconds(ref, kind, now))
        used = mark_seconds(ref, Kind.CONVERSION, now)
        return await self._notice("settle", *bid, *rest, STREAM, _or_empty(min_to_win_micros), used)

    async def release(self, ref: BidRef, now: float, *, min_to_win_micros: int | None = None) -> NoticeOutcome:
        """See `Ledger.release`."""
        bid = (ref.bid_id, f"{ref.lease:016x}", ref.campaign, ref.ceiling_micros)
        rest = (now, mark_seconds(ref, Kind.LOSS, now), STREAM, _or_empty(min_to_win_micros))
        return await self._notice("release", *bid, *rest)

    async def count(
        self, ref: BidRef, kind: Kind, now: float, *, min_to_win_micros: int | None = None
    ) -> NoticeOutcome:
        """See `Ledger.count`."""
        row = (ref.bid_id, ref.campaign, kind.value, _COUNTER[kind], now, mark_seconds(ref, kind, now))
        used = mark_seconds(ref, Kind.CONVERSION, now) if kind in USERS else ""
        return await self._notice("count", *row, STREAM, _or_empty(min_to_win_micros), used)

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

    async def verify(self, floors: Sequence[Floor]) -> list[int]:
        """See `Ledger.verify`; some hundreds in one call."""
        found: list[int] = []
        for some in _parts(floors, _BALANCES_AT_ONCE):
            found += map(int, await self._call("verify", *(part for floor in some for part in floor)))
        return found

    async def balances(self, campaigns: Sequence[int]) -> list[Balance]:
        """See `Ledger.balances`; some hundreds in one call."""
        found: list[Balance] = []
        for some in _parts(campaigns, _BALANCES_AT_ONCE):
            found += _balances(await self._call("balances", len(Balance._fields), *_FIGURES, *some))
        return found

    async def restore(self, campaign: int, balance: Balance, *, overwrite: bool = False) -> bool:
        """See `Ledger.restore`."""
        figures = [part for name, value in balance._asdict().items() for part in (name, _exact(value))]
        return bool(await self._call("restore", campaign, int(overwrite), *figures))

    async def remember(self, marks: Sequence[Mark]) -> None:
        """See `Ledger.remember`; some at a time."""
        await self._call_many("remember", [(mark.bid, mark.seconds, *mark.names) for mark in marks])

    async def _notice(self, name: str, *arguments: str | float) -> NoticeOutcome:
        return NoticeOutcome(_checked(await self._notices.submit(ScriptCall(name, arguments))).decode())

    async def _call(self, name: str, *arguments: str | float) -> Any:
        return (await self._call_many(name, [arguments]))[0]

    async def _call_many(self, name: str, rows: Sequence[tuple[str | float, ...]]) -> list[Any]:
        answers: list[Any] = []
        for some in _parts(rows, _CALLS_AT_ONCE):
            answers += await self._scripts.run([ScriptCall(name, row) for row in some])
        return [_checked(answer) for answer in answers]


def _checked(answer: Any) -> Any:
    """Return a script's answer; raise where it failed."""
    if isinstance(answer, RedisError):
        raise LedgerError(f"the ledger refuses: {answer}") from answer
    return answer


def _or_empty(micros: int | None) -> int | str:
    """Return an optional amount as the scripts take it."""
    return "" if micros is None else micros


def _or_nobody(caller: int) -> int | str:
    return "" if caller == ANYBODY else caller


def _exact(value: float) -> str | int:
    """Return a value that the server reads without loss: whole numbers as integers, whatever their size."""
    return int(value) if math.isfinite(value) and value == int(value) else repr(value)


def _balances(told: bytes) -> list[Balance]:
    """Return balances from the script's answer. Whole numbers are below 2**53, so that a float holds them exactly."""
    columns = np.array(told.split(), np.float64).reshape(-1, len(Balance._fields)).T
    kinds = (np.int64 if isinstance(value, int) else np.float64 for value in Balance._field_defaults.values())
    return [*map(Balance, *(column.astype(kind).tolist() for column, kind in zip(columns, kinds, strict=True)))]


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Return the items in parts of at most `size`, in order."""
    return (items[start : start + size] for start in range(0, len(items), size))
