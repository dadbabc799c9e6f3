"""What waits to be recorded is bounded, and what found no room is counted."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from rtb.explain.recorder import MOST_BODY, Recorder
from rtb.explain.records import unpack_parcel
from rtb.explain.redaction import redacted
from rtb.openrtb import decode_request
from tests.rtb.builders import make_request, make_table, to_json
from tests.rtb.explain.worlds import World, reference_listings


def recording(tmp_path: Path, most_bytes: int = 1 << 25) -> World:
    listings = reference_listings(12)
    versions = World(tmp_path, listings)
    versions.recorder = Recorder(currency="USD", max_imps=8, max_candidates=4, most_bytes=most_bytes)
    versions.catalog(listings, "c")
    versions.pace(make_table(listings), "p")
    return versions


def answer(versions: World, count: int) -> int:
    """Bids made, one a batch."""
    answers = [versions.answer([versions.prepare(to_json(make_request(id=f"r{n}")))]) for n in range(count)]
    return sum(one.body is not None for (one,) in answers)


def test_when_nobody_takes_it_the_oldest_goes_and_is_counted(tmp_path: Path) -> None:
    versions = recording(tmp_path, most_bytes=2_000)
    bids = answer(versions, 60)
    batches = versions.recorder.take()
    assert batches is not None
    assert bids == 60 == len(batches) + versions.recorder.dropped
    assert sum(len(one.body) for batch in batches for one in batch.requests) <= 2_000


def test_a_parcel_is_never_large(tmp_path: Path) -> None:
    versions = recording(tmp_path)
    body = to_json(make_request(ext={"long": "x" * 60_000}))
    for _ in range(40):
        versions.answer([versions.prepare(body)])
    sizes = []
    while (batches := versions.recorder.take()) is not None:
        sizes.append(len(batches))
    assert sizes == [17, 17, 6]
    versions.answer([versions.prepare(body) for _ in range(40)])
    sizes = []
    while (batches := versions.recorder.take()) is not None:
        sizes.append(sum(len(batch.requests) for batch in batches))
    assert sum(sizes) == 40
    assert max(sizes) <= 17
    assert not versions.recorder.is_waiting


def test_a_request_that_is_too_long_is_bid_on_and_not_recorded(tmp_path: Path) -> None:
    versions = recording(tmp_path)
    body = to_json(make_request(ext={"long": "x" * MOST_BODY}))
    ((long,),) = [versions.answer([versions.prepare(body)])]
    assert long.body is not None
    assert (versions.recorder.is_waiting, versions.recorder.dropped) == (False, 1)
    versions.answer([versions.prepare(body), versions.prepare(to_json(make_request(id="short")))])
    batches = versions.recorder.take()
    assert batches is not None
    assert [decode_request(one.body).id for batch in batches for one in batch.requests] == ["short"]
    assert versions.recorder.dropped == 2


def test_what_is_packed_is_what_was_noted(tmp_path: Path) -> None:
    versions = recording(tmp_path)
    answer(versions, 20)
    batches = versions.recorder.take()
    assert batches is not None
    parcel = versions.recorder.pack("a parcel", batches)
    noted = [replace(b, requests=[replace(r, body=b"") for r in b.requests]) for b in batches]
    packed = unpack_parcel(parcel.body, parcel.size)
    assert [replace(b, requests=[replace(r, body=b"") for r in b.requests]) for b in packed] == noted
    pairs = zip(batches, packed, strict=True)
    assert all(
        decode_request(kept.body) == redacted(decode_request(sent.body))
        for before, after in pairs
        for sent, kept in zip(before.requests, after.requests, strict=True)
    )
    assert set(parcel.uses) == {("catalog", "c"), ("ctr", "untrained"), ("pacing", "p"), ("policy", "neutral")}
    assert len(parcel.rules) == 1
    assert len(parcel.body) < parcel.size / 3
