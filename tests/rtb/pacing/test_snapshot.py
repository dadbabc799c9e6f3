"""Pictures of the catalog and of the pacing: the same on the other side."""

from __future__ import annotations

from dataclasses import fields

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.campaigns.campaign import Targeting
from rtb.models.observation import PacingState
from rtb.models.winrate import MARKET_DTYPE, MOST_MARKETS
from rtb.pacing.snapshot import (
    PACING_DTYPE,
    CatalogReader,
    decode_catalog,
    decode_pacing,
    encode_catalog,
    encode_pacing,
    pacing_state,
)
from rtb.targeting.listing import Listing
from tests.rtb.builders import make_campaign, make_creative

_campaigns = st.builds(
    make_campaign,
    value=st.integers(1, 2**53),
    cat=st.lists(st.text(max_size=4), max_size=2).map(tuple),
    targeting=st.builds(Targeting, countries=st.lists(st.text(max_size=3), max_size=2).map(tuple)),
    creatives=st.lists(st.builds(make_creative, adm=st.text(max_size=9)), min_size=1, max_size=2).map(tuple),
)


@given(st.lists(st.builds(Listing, st.integers(1, 2**31 - 1), _campaigns), max_size=3))
def test_catalog_comes_back_as_it_was(listings: list[Listing]) -> None:
    assert decode_catalog(encode_catalog(listings)) == listings


def test_a_reader_says_what_the_snapshot_says_and_keeps_what_did_not_change():
    reader = CatalogReader()
    first = [Listing(number, make_campaign(f"c{number}")) for number in range(3)]
    before = reader.read(encode_catalog(first))
    assert before == first
    second = [first[2], Listing(1, make_campaign("c1", value=7)), Listing(9, make_campaign("c9"))]
    after = reader.read(encode_catalog(second))
    assert after == second
    assert after[0] is before[2]
    with pytest.raises(msgspec.DecodeError):
        reader.read(encode_catalog(second)[:-1])


def test_catalog_cut_short_is_refused() -> None:
    body = encode_catalog([Listing(1, make_campaign())])
    with pytest.raises(msgspec.DecodeError):
        decode_catalog(body[:-1])


def _table(count: int) -> np.ndarray:
    source = np.random.default_rng(count)
    table = np.zeros(count, PACING_DTYPE)
    assert PACING_DTYPE.names is not None
    for name in PACING_DTYPE.names:
        if name == "markets":
            for part in MARKET_DTYPE.names or ():
                table[name][part] = source.integers(0, 10**6, (count, MOST_MARKETS))
        else:
            table[name] = source.integers(0, 2, count) if name == "open" else source.integers(0, 10**6, count)
    return table


@pytest.mark.parametrize("count", [0, 1, 5])
def test_pacing_comes_back_as_it_was(count: int) -> None:
    table = _table(count)
    got = decode_pacing(encode_pacing(table))
    assert np.array_equal(got, table)
    assert not got.flags.writeable


def test_pacing_cut_short_is_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        decode_pacing(encode_pacing(_table(2))[:-1])


def test_state_is_made_of_the_tables_columns() -> None:
    table = _table(4)
    state = pacing_state(table)
    assert len(state) == 4
    assert all(np.array_equal(getattr(state, field.name), table[field.name]) for field in fields(PacingState))
