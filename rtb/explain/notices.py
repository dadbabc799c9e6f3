"""The notices of a bid so far, from the files of events."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from rtb.events import parquet
from rtb.events.stream import START, id_order
from rtb.store import Store

_COLUMNS = ["id", "kind", "bid", "at", "price_micros", "outcome", "min_to_win_micros"]
_DAY = 86_400.0


class BidNotice(NamedTuple):
    """A notice of a bid.

    Attributes:
        kind: `win`, `bill`, `loss`, `click` or `conversion`.
        at: when it came; none: it was not recorded.
        outcome: result in the ledger: `settled`, `freed`, `counted`, `unfunded`.
        price_micros: charge; none where nothing was charged.
        min_to_win_micros: minimum to win, where it was reported.
    """

    kind: str
    at: datetime | None
    outcome: str | None
    price_micros: int | None
    min_to_win_micros: int | None


def notices_of(store: Store, bid_id: str, at: float, expires: float) -> list[BidNotice]:
    """Return the notices of a bid in order, up to a day after it expired, which is how long clicks count.

    Notices of the last seconds may not be in the files yet.

    Args:
        store: store of the events.
        bid_id: id of the bid.
        at: Unix time of the bid.
        expires: Unix second until which its notices are honoured.

    Raises:
        OSError: a file cannot be read.
    """
    after = f"{max(0, int(at * 1_000) - 1_000)}-0"
    try:
        return _found(store, bid_id, after, expires + _DAY)
    except FileNotFoundError:  # its hour was merged meanwhile: a new listing has the merged file
        return _found(store, bid_id, after, expires + _DAY)


def _found(store: Store, bid_id: str, after: str, until: float) -> list[BidNotice]:
    told: list[BidNotice] = []
    names = ("kind", "at", "outcome", "price_micros", "min_to_win_micros")
    position = id_order(START)
    for part in parquet.parts(store, after):
        if part.hour > until:
            break
        try:
            rows = part.find(_COLUMNS, [("bid", "=", bid_id), ("kind", "!=", "bid")])
        except parquet.UnreadableEvents:  # reported by the event writer; other files are still read
            continue
        new = (row for row in rows.to_pylist() if id_order(row["id"]) > position)  # files may overlap
        told += [BidNotice(*(row[name] for name in names)) for row in new]
        position = id_order(part.last)
    return told
