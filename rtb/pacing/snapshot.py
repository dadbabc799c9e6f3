"""Snapshots: immutable, versioned copies of the catalog and the pacing, published by the Controller to all replicas.

There are two, because they change at different speeds: the catalog when somebody edits a campaign, the pacing every
tick. They are stored in Redis with a version; replicas poll the versions a few times a second and fetch what is new.

Versions are random. A counter would restart in a wiped Redis, and a replica that had seen its numbers before would take
new snapshots for old ones.

Published models are distributed the same way, so that nodes need no shared folder; their version is that of their
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
"""Key of the running or the last experiment: see `rtb.experiment`. It is stored beside the money that it divides."""

QUARANTINE = "raybid:snapshot:quarantine"
"""Key of the records that the Controller leaves out: see `rtb.runtime.quarantine`."""


def model_key(kind: str) -> str:
    """Return the key of the published model of a kind, packed."""
    return f"raybid:snapshot:model:{kind}"


def staged_model_key(kind: str, version: str) -> str:
    """Return the key of a packed model that serves without being published."""
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
"""A record per campaign: its terms and its pacing state."""

PacingTable = npt.NDArray[Any]


class _Row(msgspec.Struct, array_like=True):
    number: int
    campaign: Campaign


_rows = msgspec.msgpack.Decoder(list[_Row])
_row = msgspec.msgpack.Decoder(_Row)
_parts = msgspec.msgpack.Decoder(list[msgspec.Raw])


def encode_catalog(listings: list[Listing]) -> bytes:
    """Return a snapshot of the catalog as bytes."""
    return msgspec.msgpack.encode([_Row(item.number, item.campaign) for item in listings])


def decode_catalog(body: bytes) -> list[Listing]:
    """Return the listings of a snapshot of the catalog."""
    return [Listing(row.number, row.campaign) for row in _rows.decode(body)]


class CatalogReader:
    """A reader of successive snapshots of the catalog that reuses the objects of unchanged campaigns.

    Attributes:
        fresh: number of new or changed campaigns in the last snapshot.
        faults: rows of the last snapshot that this code cannot read, such as a newer Controller's.
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
"""Prefix of a table, so that one of another release is not misread."""


def encode_pacing(table: PacingTable) -> bytes:
    """Return a table of `PACING_DTYPE` as bytes."""
    return _LAYOUT + table.tobytes()


def decode_pacing(body: bytes) -> PacingTable:
    """Return a read-only table of `PACING_DTYPE` from bytes.

    Raises:
        ValueError: the bytes are not a table of this release.
    """
    if not body.startswith(_LAYOUT):
        raise ValueError("this is not a pacing table of this release")
    return np.frombuffer(body, PACING_DTYPE, offset=len(_LAYOUT))


def pacing_state(table: PacingTable) -> PacingState:
    """Return the columns that a policy observes."""
    return PacingState(**{field.name: table[field.name] for field in fields(PacingState)})


class SnapshotPublisher:
    """The publishing side, in the Controller: it stores each snapshot under a unique version.

    Args:
        client: client of the server that holds snapshots.
    """

    def __init__(self, client: aioredis.Redis) -> None:
        self._client: Any = client

    async def publish(self, key: str, body: bytes, version: str = "") -> str:
        """Publish a snapshot under `key`; return its version. Repeating the call with a version is harmless.

        Args:
            key: key of the snapshot.
            body: the snapshot.
            version: a version unique to this snapshot; empty: a new one.
        """
        version = version or self.new_version()
        await self._client.hset(key, mapping={"version": version, "body": body})
        return version

    def new_version(self) -> str:
        """Return a unique version."""
        return secrets.token_hex(8)

    async def published(self, key: str) -> str | None:
        """Return the version of the snapshot under `key`; `None` where there is none, as in a wiped Redis."""
        version = await self._client.hget(key, "version")
        return None if version is None else version.decode()


class SnapshotSubscriber:
    """The subscribing side, in a replica: it fetches a snapshot when its version is new.

    Args:
        client: client of the server that holds snapshots.
        key: key of the snapshot.
    """

    def __init__(self, client: aioredis.Redis, key: str) -> None:
        self._client: Any = client
        self._key = key
        self.version = ""

    async def pull(self) -> bytes | None:
        """Return the snapshot if it changed since the last call, else `None`."""
        version = await self._client.hget(self._key, "version")
        if version is None or version.decode() == self.version:
            return None
        seen, body = await self._client.hmget(self._key, "version", "body")
        if body is None:
            return None
        self.version = seen.decode()
        return bytes(body)

    def forget(self) -> None:
        """Make the next call fetch the snapshot again, changed or not."""
        self.version = ""
