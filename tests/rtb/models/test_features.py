"""The feature encoder: the same row for the same candidate, whatever came before it."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.inventory.floors import Floors
from rtb.inventory.impression import Impression, impressions_of
from rtb.models import features
from rtb.models.features import (
    BUCKETS,
    CREATIVE_FIELDS,
    FIELDS,
    IMPRESSION_FIELDS,
    bucket,
    creative_row,
    impression_row,
)
from rtb.openrtb import decode_request
from tests.rtb.builders import make_audience, make_creative, make_impression, make_request, to_json

_words = st.text(max_size=6)
_audiences = st.builds(
    make_audience,
    inventory=_words,
    publisher=_words,
    country=_words,
    region=_words,
    devicetype=st.integers(0, 9),
    os=_words,
    hour_of_week=st.integers(0, 167),
    segments=st.sets(st.text(min_size=1, max_size=3), max_size=6).map(lambda drawn: tuple(sorted(drawn))),
)
_impressions = st.builds(make_impression, _audiences, pos=st.integers(0, 7))


@given(st.sampled_from(FIELDS), st.text())
def test_every_value_has_a_bucket_and_none_the_fillers(field: str, value: str) -> None:
    assert 1 <= bucket(field, value) < BUCKETS


@pytest.mark.parametrize(
    "field", ["publisher", "category", "country", "region", "city", "network", "os", "browser", "inventory"]
)
def test_absence_is_a_value_of_its_field(field: str) -> None:
    place = IMPRESSION_FIELDS.index(field)
    absent = impression_row(make_impression(make_audience(**{field: ""})))
    assert absent[place] == bucket(field, "")
    assert impression_row(make_impression(make_audience(**{field: "x"})))[place] == bucket(field, "x") != absent[place]


@pytest.mark.parametrize("floors", [(0.0, 0.01), (0.1, 0.2), (1.5, 1e12)])
def test_floors_an_octave_apart_differ_and_near_ones_do_not(floors: tuple[float, float]) -> None:
    place = IMPRESSION_FIELDS.index("floor")
    low, high = (impression_row(make_impression(floors=Floors(cpm)))[place] for cpm in floors)
    assert low != high
    assert impression_row(make_impression(floors=Floors(floors[1] * 1.01)))[place] == high


def test_request_of_today_names_what_the_encoder_reads() -> None:
    request = make_request(
        imp=[{"id": "1", "tagid": "top", "bidfloor": 0.5, "banner": {"w": 300, "h": 250, "pos": 1}}],
        site={"domain": "news.example", "cat": ["IAB12"]},
        device={
            "ua": "Mozilla/5.0 (X11) Gecko/20100101 Firefox/140.0",
            "ip": "203.0.113.7",
            "geo": {"country": "USA", "region": "CA", "city": "Fresno"},
        },
    )
    (found,), _ = impressions_of(decode_request(to_json(request)), 12, "USD", 1)
    named = dict(zip(IMPRESSION_FIELDS, impression_row(found), strict=True))
    expected = {"tag": "top", "floor": "-1", "city": "USA/fresno", "network": "203.0", "pos_floor": "1/-1",
                "region_floor": "USA/CA/-1", "category": "IAB12", "browser": "firefox"}  # fmt: skip
    assert {field: named[field] for field in expected} == {
        name: bucket(name, value) for name, value in expected.items()
    }


def test_address_is_not_read_where_privacy_signals_forbid_it() -> None:
    request = make_request(device={"ip": "203.0.113.7"}, regs={"coppa": 1})
    (found,), _ = impressions_of(decode_request(to_json(request)), 12, "USD", 1)
    assert found.audience.network == ""


def test_same_value_has_other_buckets_in_other_fields() -> None:
    buckets = {bucket(field, "x") for field in FIELDS}
    assert len(buckets) == len(FIELDS)


def test_values_spread_over_the_buckets() -> None:
    buckets = {bucket("publisher", f"site{number}.example") for number in range(2_000)}
    assert len(buckets) > 1_900


@given(_impressions)
def test_row_has_a_bucket_a_field(impression: Impression) -> None:
    row = impression_row(impression)
    assert len(row) == len(IMPRESSION_FIELDS)
    assert all(0 <= number < BUCKETS for number in row)


@given(_impressions, st.integers(0, 12))
def test_segments_that_are_not_there_have_bucket_zero(impression: Impression, count: int) -> None:
    segments = tuple(f"s{number}" for number in range(count))
    row = impression_row(impression._replace(audience=impression.audience._replace(segments=segments)))
    assert sum(number > 0 for number in row[-features.SEGMENT_FIELDS :]) == min(count, features.SEGMENT_FIELDS)


def test_segment_has_one_bucket_wherever_it_stands() -> None:
    first = impression_row(make_impression(make_audience(segments=("b", "c"))))
    later = impression_row(make_impression(make_audience(segments=("a", "b", "c"))))
    places = slice(-features.SEGMENT_FIELDS, None)
    assert set(first[places]) < set(later[places])


@given(st.lists(_impressions, min_size=1, max_size=6), st.randoms())
def test_rows_do_not_depend_on_the_order_they_are_made_in(impressions: list[Impression], source: random.Random) -> None:
    order = list(range(len(impressions)))
    source.shuffle(order)
    shuffled = {place: impression_row(impressions[place]) for place in order}
    features._short_bucket.cache_clear()
    assert [shuffled[place] for place in range(len(impressions))] == [impression_row(item) for item in impressions]


def test_another_process_makes_the_same_row() -> None:
    program = (
        "from rtb.models.features import creative_row, impression_row\n"
        "from tests.rtb.builders import make_audience, make_creative, make_impression\n"
        "print(impression_row(make_impression(make_audience(segments=('a', 'b')))), creative_row('c', make_creative()))"
    )
    root = Path(__file__).parents[3]
    told = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True).stdout
    here = impression_row(make_impression(make_audience(segments=("a", "b")))), creative_row("c", make_creative())
    assert told.strip() == f"{here[0]} {here[1]}"


def test_buckets_are_those_of_this_schema_version() -> None:
    # A model on disk was trained on these: when they change, `SCHEMA_VERSION` has to.
    assert features.SCHEMA_VERSION == "features-2"
    assert [bucket("country", "USA"), bucket("publisher", "news.example"), bucket("segment", "s1")] == [
        62_270,
        12_246,
        26_010,
    ]


def test_creatives_of_two_campaigns_differ_though_their_names_agree() -> None:
    one, other = creative_row("spring", make_creative()), creative_row("summer", make_creative())
    assert len(one) == len(CREATIVE_FIELDS)
    assert (one[0] != other[0], one[1] != other[1], one[2] == other[2]) == (True, True, True)


@given(st.lists(_impressions, min_size=1, max_size=4), st.data())
def test_candidates_row_is_its_impression_beside_its_creative(
    impressions: list[Impression], data: st.DataObject
) -> None:
    left = [impression_row(impression) for impression in impressions]
    right = np.array([creative_row("c", make_creative(f"b{number}")) for number in range(3)], np.int32)
    pairs = data.draw(st.lists(st.tuples(st.integers(0, len(left) - 1), st.integers(0, 2)), max_size=5))
    imp = np.array([pair[0] for pair in pairs], np.intp)
    creative = np.array([pair[1] for pair in pairs], np.intp)
    rows = features.encode(left, right, imp, creative)
    assert rows.shape == (len(pairs), len(FIELDS))
    assert rows.dtype == np.int32
    assert rows.tolist() == [left[i] + right[c].tolist() for i, c in pairs]


@given(_impressions)
def test_values_told_are_those_of_the_buckets(impression: Impression) -> None:
    creative = make_creative("c")
    told = features.named_values(impression, "spring", creative)
    assert tuple(told) == FIELDS
    row = [*impression_row(impression), *creative_row("spring", creative)]
    for (field, value), found in zip(told.items(), row, strict=True):
        is_filler = field.startswith("segment_") and not value
        assert found == (0 if is_filler else bucket("segment" if field.startswith("segment_") else field, value))


def test_batch_without_impressions_has_no_rows() -> None:
    nothing = np.empty(0, np.intp)
    assert features.encode([], np.empty((0, len(CREATIVE_FIELDS)), np.int32), nothing, nothing).shape == (
        0,
        len(FIELDS),
    )
