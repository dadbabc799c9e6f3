"""The spend history: what comes twice counts once, and what was counted is there after a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from rtb.catalog import Catalog, CatalogError, Spend

_HOUR = 1_795_392_000


def _spend(campaign: int = 1, hour: int = _HOUR, micros: int = 10) -> Spend:
    return Spend(campaign, hour, 1, micros, 2, 3, 4)


def test_nothing_is_spent_at_first(catalog: Catalog):
    assert catalog.position() == "0-0"
    assert catalog.spent() == {}


def test_hours_add_up_by_campaign(catalog: Catalog, url: str):
    assert catalog.record_spend([_spend(1), _spend(2, micros=7), _spend(1, micros=5)], "5-0")
    assert catalog.record_spend([_spend(1, _HOUR + 3_600, micros=100)], "5-1")
    again = Catalog(url)
    assert again.position() == "5-1"
    assert again.spent() == {1: 115, 2: 7}
    assert again.spent(since=_HOUR + 1) == {1: 100}
    again.close()


def test_sums_beyond_32_and_53_bits_are_exact(catalog: Catalog):
    catalog.record_spend([_spend(micros=2**53 + 1), _spend(micros=2**53)], "1-0")
    assert catalog.spent() == {1: 2**54 + 1}


@pytest.mark.parametrize("repeated", ["5-3", "5-2", "4-99", "0-0"])
def test_what_was_counted_is_not_counted_again(catalog: Catalog, repeated: str):
    assert catalog.record_spend([_spend()], "5-3")
    assert not catalog.record_spend([_spend()], repeated)
    assert (catalog.position(), catalog.spent()) == ("5-3", {1: 10})


def test_positions_are_in_the_order_of_their_numbers_not_of_their_letters(catalog: Catalog):
    for position in ("9-9", "9-10", "10-0", "1795392000000-0"):
        assert catalog.record_spend([_spend()], position)
    assert catalog.spent() == {1: 40}


def test_consumers_at_once_count_each_event_once(catalog: Catalog):
    def consume(_: int) -> int:
        counted = 0
        while (at := int(catalog.position().split("-")[0])) < 20:
            counted += catalog.record_spend([_spend()], f"{at + 1}-0")
        return counted

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(consume, range(4))) == 20
    assert catalog.spent() == {1: 200}


def test_a_failed_batch_moves_neither_the_figures_nor_the_position(catalog: Catalog):
    broken = _spend()._replace(micros=2**70)
    with pytest.raises((CatalogError, OverflowError)):
        catalog.record_spend([_spend(), broken], "5-0")
    assert (catalog.position(), catalog.spent()) == ("0-0", {})


@pytest.mark.parametrize("position", ["", "5", "5-", "-1-0", "5-0-0", "a-b", "5-0\n", "\u0665-\u0660"])
def test_what_is_no_stream_id_is_refused(catalog: Catalog, position: str):
    with pytest.raises(ValueError, match="not a stream id"):
        catalog.record_spend([_spend()], position)
    assert catalog.spent() == {}
