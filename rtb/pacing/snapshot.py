"""What the Controller tells every replica: an immutable, versioned picture of the catalog and of the pacing.

Two pictures, because they change at different speeds: the catalog when somebody edits a campaign, the pacing every
tick. They lie in Redis under a version; replicas look at the versions a few times a second and fetch what is new.

A version is random. A counter would begin again in a Redis that was wiped, and a replica that had seen its numbers
before would take new pictures for old ones.

Published models travel the same way, whole, so that nodes need no folder in common; their version is that of their
weights.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import redis.asyncio as aioredis

from rtb.campaigns.campaign import Campaign
from rtb.models.observation import PacingState
from rtb.models.winrate import MARKET_DTYPE, MOST_MARKETS
from rtb.runtime.quarantine import RECORD_ERRORS, Fault
from rtb.targeting.listing import Listing

CATALOG, PACING = "raybid:snapshot:catalog", "raybid:snapshot:pacing"

EXPERIMENT = "raybid:snapshot:experiment"
"""The experiment that runs, or the last one: see `rtb.experiment`. It lies beside the money that it divides."""

QUARANTINE = "raybid:snapshot:quarantine"
"""What the Controller leaves out: see `rtb.runtime.quarantine`."""


def model_key(kind: str) -> str:
    """Where the published model of a kind lies, packed."""
    return f"raybid:snapshot:model:{kind}"


def deposit_key(kind: str, version: str) -> str:
    """Where a model lies, packed, that serves without being published."""
    return f"raybid:deposit:model:{kind}:{version}"


PACING_DTYPE = np.dtype(
    [
        ("number", np.int32),  # of the campaign, or of its arm in an experiment: see `rtb.money.accounts`
        ("open", np.bool_),  # may bid: active, in its flight, with money left, also of the day
        ("by_conversion", np.bool_),  # value is per conversion, else per click
        ("value_micros", np.float64),
        ("max_bid_micros", np.int64),  # the campaign's own, and no more than is left of its budget and day
        ("markets", MARKET_DTYPE, (MOST_MARKETS,)),  # price to beat by exchange
        ("day", "S10"),  # the campaign's own, such as 2026-11-22
        ("day_ends", np.float64),  # Unix time
        *((field.name, np.float64) for field in fields(PacingState)),
    ]
)
"""One record a campaign: its terms and its pacing state."""

PacingTable = npt.NDArray[Any]


class _Row(msgspec.Struct, array_like=True):
    number: int
    campaign: Campaign


_rows = msgspec.msgpack.Decoder(list[_Row])
_row = msgspec.msgpack.Decoder(_Row)
_parts = msgspec.msgpack.Decoder(list[msgspec.Raw])


def encode_catalog(listings: list[Listing]) -> bytes:
    """Bytes of the catalog's picture."""
    return msgspec.msgpack.encode([_Row(item.number, item.campaign) for item in listings])


def decode_catalog(body: bytes) -> list[Listing]:
    """The catalog's picture from bytes."""
    return [Listing(row.number, row.campaign) for row in _rows.decode(body)]


class CatalogReader:
    """Reads one picture of the catalog after the other; what did not change in between is the same object again.

    Attributes:
        fresh: campaigns in the last picture that were not in the one before.
        faults: rows of the last picture that this code cannot read, such as a newer Controller's.
    """

    def __init__(self) -> None:
        self.fresh = 0
        self.faults: list[Fault] = []
        self._known: dict[bytes, Listing] = {}

    def read(self, body: bytes) -> list[Listing]:
        """See `decode_catalog`."""
        known: dict[bytes, Listing] = {}
        self.faults = []
        for row in map(bytes, _parts.decode(body)):
            try:
                known[row] = self._known.get(row) or _listing(row)
            except RECORD_ERRORS as error:
                self.faults.append(Fault.of("campaign", "in the catalog's snapshot", error))
        self.fresh = sum(row not in self._known for row in known)
        self._known = known
        return [*known.values()]


def _listing(body: bytes) -> Listing:
    row = _row.decode(body)
    return Listing(row.number, row.campaign)


_LAYOUT = hashlib.blake2b(repr(PACING_DTYPE.descr).encode(), digest_size=8).digest()
"""Goes before a table, so that one of another release is not read as one of this."""


def encode_pacing(table: PacingTable) -> bytes:
    """Bytes of a table of `PACING_DTYPE`."""
    return _LAYOUT + table.tobytes()


def decode_pacing(body: bytes) -> PacingTable:
    """A read-only table of `PACING_DTYPE` from bytes.

    Raises:
        ValueError: they are none, or one of another release.
    """
    if not body.startswith(_LAYOUT):
        raise ValueError("this is no pacing table of this release")
    return np.frombuffer(body, PACING_DTYPE, offset=len(_LAYOUT))


def pacing_state(table: PacingTable) -> PacingState:
    """The columns that a policy observes."""
    return PacingState(**{field.name: table[field.name] for field in fields(PacingState)})


class Publisher:
    """The Controller's side: stores a picture under a version that no other ever had.

    Args:
        client: where pictures lie.
    """

    def __init__(self, client: aioredis.Redis) -> None:
        self._client: Any = client

    async def publish(self, key: str, body: bytes, version: str = "") -> str:
        """Make this the picture under `key`; its version. Doing so twice, as a client that tries again may, is once.

        Args:
            key: which picture.
            body: the picture.
            version: one that only this picture ever has; empty: a new one.
        """
        version = version or self.new_version()
        await self._client.hset(key, mapping={"version": version, "body": body})
        return version

    def new_version(self) -> str:
        """A version that no picture ever had."""
        return secrets.token_hex(8)

    async def published(self, key: str) -> str | None:
        """Version of the picture under `key`; `None` where there is none, as in a Redis that was wiped."""
        version = await self._client.hget(key, "version")
        return None if version is None else version.decode()


class Subscriber:
    """A replica's side: fetches a picture when its version is new.

    Args:
        client: where pictures lie.
        key: which picture.
    """

    def __init__(self, client: aioredis.Redis, key: str) -> None:
        self._client: Any = client
        self._key = key
        self.version = ""

    async def pull(self) -> bytes | None:
        """The picture if it changed since the last call, else `None`."""
        version = await self._client.hget(self._key, "version")
        if version is None or version.decode() == self.version:
            return None
        seen, body = await self._client.hmget(self._key, "version", "body")
        if body is None:
            return None
        self.version = seen.decode()
        return bytes(body)

    def forget(self) -> None:
        """Fetch the picture again at the next call, changed or not."""
        self.version = ""
