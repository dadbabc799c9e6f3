"""Reading the file of decisions that `rtb.explain.store` writes."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from rtb.explain.records import BatchRecord, BidRecord, RequestRecord, unpack_parcel

_BID_ID = re.compile(r"([0-9a-f]{16})-([0-9a-f]{1,8})")


class NotKept(LookupError):
    """A bid or snapshot that is not kept; the message says why, and what to do."""


class RecordedBid(NamedTuple):
    """A recorded bid with its context.

    Attributes:
        batch: batch of the bid.
        request: request of the bid.
        bid: the bid itself.
    """

    batch: BatchRecord
    request: RequestRecord
    bid: BidRecord


class DecisionReader:
    """A reader of a store that another process or thread may write.

    Args:
        path: path of its file.

    Raises:
        NotKept: there is no such file.
        sqlite3.Error: it cannot be read; so for every call.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise NotKept(
                f"no decision was ever recorded in {path}: the platform has not bid yet, keeps its files elsewhere "
                "(set RAYBID_VAR_DIR), or RAYBID_DECISION_HOURS is 0"
            )
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10.0)

    def __enter__(self) -> DecisionReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def find(self, bid_id: str) -> RecordedBid:
        """Return a bid by its id.

        Raises:
            NotKept: it is not stored.
            ValueError: a parcel is damaged.
        """
        lease, sequence = parse_bid_id(bid_id)
        rows = "SELECT size, body FROM parcels JOIN leases ON parcel = number WHERE lease = ? ORDER BY number"
        with closing(self._connection.execute(rows, (lease,))) as parcels:
            for size, body in parcels:
                for batch in unpack_parcel(body, size):
                    for request in batch.requests:
                        for bid in request.bids:
                            if (bid.lease, bid.sequence) == (lease, sequence):
                                return RecordedBid(batch, request, bid)
        raise NotKept(self._why_not(bid_id))

    def read_snapshot(self, kind: str, version: str) -> bytes:
        """Return a snapshot.

        Raises:
            NotKept: it is not stored.
        """
        asked = "SELECT size, body FROM pictures WHERE kind = ? AND version = ?"
        row = self._connection.execute(asked, (kind, version)).fetchone()
        if row is None:
            raise NotKept(
                f"{_SPOKEN.get(kind, kind)} {version} that this bid was made by is not kept (any more): what is older "
                "than RAYBID_DECISION_HOURS goes, and the oldest first beyond RAYBID_DECISION_MEGABYTES"
            )
        return bytes(pa.Codec("zstd").decompress(row[1], row[0], asbytes=True))

    def recent(self, count: int) -> Iterable[str]:
        """Yield the ids of bids of the newest parcels, newest first, at least `count` where there are as many."""
        left = count
        rows = self._connection.execute("SELECT size, body FROM parcels ORDER BY at DESC, number DESC")
        with closing(rows) as parcels:
            for size, body in parcels:
                if left <= 0:
                    return
                ids = [
                    bid_id_of(bid) for batch in unpack_parcel(body, size) for one in batch.requests for bid in one.bids
                ]
                left -= len(ids)
                yield from ids

    def _why_not(self, bid_id: str) -> str:
        (since,) = self._connection.execute("SELECT min(at) FROM parcels").fetchone()
        if since is None:
            return f"bid {bid_id} is not recorded: nothing is, no bid was made within RAYBID_DECISION_HOURS"
        oldest = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
        return (
            f"bid {bid_id} is not recorded: it is older than the oldest that is ({oldest}), it is younger than "
            "a few seconds and still on its way, it answered a test, or there never was such a bid. Ask again, or keep "
            "more with RAYBID_DECISION_HOURS and RAYBID_DECISION_MEGABYTES"
        )


_SPOKEN = {"ctr": "the CTR model", "pacing": "the pacing table", "catalog": "the catalog", "rules": "the set of rules"}


def parse_bid_id(bid_id: str) -> tuple[int, int]:
    """Return lease and sequence of a bid's id.

    Raises:
        NotKept: it is not the id of a bid.
    """
    match = _BID_ID.fullmatch(bid_id)
    if match is None or int(match[1], 16) >= 1 << 63:
        raise NotKept(f"{bid_id[:64]!r} is not the id of a bid: one looks like 00c0ffee00c0ffee-1f, as in a bid's `id`")
    return int(match[1], 16), int(match[2], 16)


def bid_id_of(bid: BidRecord) -> str:
    """Return the id of a recorded bid, as it was sent."""
    return f"{bid.lease:016x}-{bid.sequence:x}"
