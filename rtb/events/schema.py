"""The one schema of all events: flat columns, null where they do not apply to the kind of event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from rtb.events.sink import BidEvent
from rtb.events.stream import StreamEntry
from rtb.money.accounts import campaign_of, experiment_of

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # in the stream: `<Unix ms>-<n>`, unique and in order
        pa.field("kind", pa.string(), nullable=False),  # bid, a notice (win, bill, loss, click, conversion), or move
        pa.field("bid", pa.string()),
        pa.field("campaign", pa.int64()),  # its number; move: of the one that gave
        pa.field("at", pa.timestamp("us", tz="UTC")),  # when it happened
        pa.field("price_micros", pa.int64()),  # bid: of one impression; charge: what it cost; move: what was moved
        pa.field("outcome", pa.string()),  # of a notice: settled, unfunded, freed, counted, unpaid; moved
        pa.field("request", pa.string()),
        pa.field("creative", pa.string()),  # `campaign/creative`
        pa.field("features", pa.list_(pa.int32())),
        pa.field("pctr", pa.float64()),
        pa.field("multiplier", pa.float64()),
        pa.field("floor_micros", pa.int64()),
        pa.field("first_price", pa.bool_()),  # bid: whether a winner pays its own bid
        pa.field("min_to_win_micros", pa.int64()),  # notice: the least bid that would have won, where it was said
        pa.field("feature_schema", pa.string()),  # bid: version of the encoder of its features; null in old files
        pa.field("experiment", pa.int32()),  # as whose challenger it was bid; null: the champion's
        pa.field("target", pa.int64()),  # move: number of the campaign that got the money
        pa.field("portfolio", pa.string()),  # move: whose money it is
        pa.field("because", pa.string()),  # move: why, for people
        pa.field("exchange", pa.int64()),  # bid: number of the exchange it was made to; null in old files
        pa.field("caller", pa.int64()),  # bid: number of the key that asked for it, 0 for none; null in old files
        pa.field("quantity", pa.float64()),  # bid: impressions that the sale stands for; null: 1
    ]
)

_MICRO = 1_000_000


def to_table(entries: Iterable[StreamEntry]) -> pa.Table:
    """Return events as rows of `SCHEMA`, in order.

    Raises:
        ValueError: a number of a notice is invalid. It is money: better to stop than to skip it.
    """
    return pa.Table.from_pylist([_row(entry) for entry in entries], schema=SCHEMA)


def _row(entry: StreamEntry) -> dict[str, Any]:
    fields = {name.decode(): value.decode() for name, value in entry.fields.items()}
    row: dict[str, Any] = {"id": entry.id, "kind": fields.get("kind", "unknown"), "bid": fields.get("bid")}
    return row | (_bid(fields["data"]) if "data" in fields else _notice(fields))


def _bid(data: str) -> dict[str, Any]:
    """Return a bid's columns; none for an unreadable bid, which must not hold up the money events behind it."""
    try:
        event = msgspec.json.decode(data, type=BidEvent)
    except msgspec.DecodeError:
        return {}
    return msgspec.structs.asdict(event) | {"at": round(event.at * _MICRO)}


def _notice(fields: dict[str, str]) -> dict[str, Any]:
    numbers = {name: int(fields[name]) for name in _WHOLE if fields.get(name)}
    at = {"at": round(float(fields["at"]) * _MICRO)} if "at" in fields else {}
    row = numbers | at | {name: fields.get(name) for name in ("outcome", "portfolio", "because")}
    account = numbers.get("campaign")
    if account is not None:
        row |= {"campaign": campaign_of(account), "experiment": experiment_of(account) or None}
    return row


_WHOLE: Sequence[str] = ("campaign", "target", "price_micros", "min_to_win_micros")
