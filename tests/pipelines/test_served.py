"""From events to training rows: each shown bid once, with what its user did, in order of time."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.served import EVER, NothingServed, served
from rtb.events import BidEvent
from rtb.events.parquet import write_parts
from rtb.events.stream import StreamEntry
from rtb.models.features import FIELDS, SCHEMA_VERSION
from rtb.store import FolderStore
from tests.support import examples

_BEGIN = 1_800_000_000.0


class Bid(NamedTuple):
    """A bid, the seconds after the beginning it was made, and what came of it."""

    after: float
    fields: int
    schema: str
    notices: list[tuple[str, str]]


_NOTICES = [
    ("win", "counted"),
    ("win", "settled"),
    ("bill", "settled"),
    ("bill", "unfunded"),
    ("loss", "freed"),
    ("click", "counted"),
    ("click", "unpaid"),
    ("conversion", "counted"),
    ("conversion", "unpaid"),
]
"""Kinds of notices, and what the ledger made of them."""

_bids = st.lists(
    st.builds(
        Bid,
        after=st.integers(0, 5_000).map(float),
        fields=st.sampled_from([len(FIELDS), len(FIELDS), len(FIELDS) - 1]),
        schema=st.sampled_from([SCHEMA_VERSION, SCHEMA_VERSION, "features-0"]),
        notices=st.lists(st.sampled_from(_NOTICES), max_size=4),
    ),
    min_size=1,
    max_size=12,
)


def _written(folder: Path, bids: list[Bid]) -> None:
    """In the stream the bids come as they lie here, each with its notices behind it."""
    entries: list[StreamEntry] = []
    for number, bid in enumerate(bids):
        event = BidEvent(
            bid=f"b{number}",
            request="r",
            campaign=1,
            creative="c/1",
            features=[number] * bid.fields,
            pctr=0.1,
            multiplier=1.0,
            price_micros=1,
            floor_micros=1,
            at=_BEGIN + bid.after,
            feature_schema=bid.schema,
        )
        rows = [{"kind": "bid", "bid": event.bid, "data": msgspec.json.encode(event).decode()}]
        told = {"bid": event.bid, "campaign": "1", "at": str(event.at)}
        rows += [told | {"kind": kind, "outcome": outcome} for kind, outcome in bid.notices]
        for row in rows:
            fields = {name.encode(): value.encode() for name, value in row.items()}
            entries.append(StreamEntry(f"{round(_BEGIN * 1_000) + 6_000_000 + len(entries)}-0", fields))
    list(write_parts(FolderStore(folder), entries))


@settings(max_examples=examples(30))
@given(_bids, st.integers(0, 5_000), st.integers(0, 5_000))
def test_what_was_shown_and_what_came_of_it(bids: list[Bid], since: int, seconds: int) -> None:
    window = range(since, since + seconds)
    shown = [
        (bid.after, number)
        for number, bid in enumerate(bids)
        if (bid.fields, bid.schema) == (len(FIELDS), SCHEMA_VERSION)
        and {("win", "settled"), ("bill", "settled")} & {*bid.notices}
        and int(bid.after) in window
    ]
    with TemporaryDirectory() as folder:
        _written(Path(folder), bids)
        if not shown:
            with pytest.raises(NothingServed):
                served(FolderStore(Path(folder)), _BEGIN + window.start, _BEGIN + window.stop)
            return
        data, at = served(FolderStore(Path(folder)), _BEGIN + window.start, _BEGIN + window.stop)
    expected = [number for _, number in sorted(shown)]
    assert data.rows[:, 0].tolist() == expected
    assert data.rows.shape[1] == len(FIELDS)
    assert at.tolist() == [_BEGIN + bids[number].after for number in expected]
    clicked = [("click", "counted") in bids[number].notices for number in expected]
    assert data.click.tolist() == clicked
    bought = [("conversion", "counted") in bids[number].notices for number in expected]
    assert data.conversion.tolist() == [click and buy for click, buy in zip(clicked, bought, strict=True)]


def test_a_folder_without_events_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NothingServed, match="there is no folder"):
        served(FolderStore(tmp_path / "none"), 0.0, EVER)
