"""The audit of a trial: every kind of crime in the books is seen."""

from __future__ import annotations

import msgspec
import pytest

from rtb.events.schema import to_table
from rtb.events.stream import StreamEntry
from rtb.ledger import Balance
from verification.faults.audit import audit, read_charges

BUDGETS = {1: 1_000, 2: 500}
BALANCES = {1: Balance(budget=1_000, available=700, spent=300), 2: Balance(budget=500, available=0, spent=500)}
CHARGES = [("a", 1, 100, "settled"), ("b", 1, 200, "settled"), ("c", 2, 500, "settled")]
OWED = {"a": 100, "b": 200, "c": 500}
RECORDED = {1: 300, 2: 500}


def figures(*more, owed=OWED, balances=BALANCES, recorded=RECORDED, charges=CHARGES):
    rows = [*charges, *more]
    entries = [
        StreamEntry(
            f"{n}-0",
            {
                name.encode(): str(value).encode()
                for name, value in zip(
                    ("kind", "bid", "campaign", "price_micros", "outcome"), ("bill", *row), strict=True
                )
            },
        )
        for n, row in enumerate(rows, start=1)
    ]
    return audit(owed, BUDGETS, balances, read_charges([to_table(entries[:2]), to_table(entries[2:])]), recorded)


def test_good_books_are_all_zeros():
    found = figures(("d", 1, 0, "freed"))
    crimes = [name for name in found if name.endswith("micros") or name in ("double_settled", "lost_settlements")]
    assert {name: found[name] for name in crimes if name != "spent_micros"} == dict.fromkeys(
        (name for name in crimes if name != "spent_micros"), 0
    )
    assert (found["settled"], found["spent_micros"]) == (3, 800)
    assert (found["least_spent_share"], found["spent_share"]) == (0.3, round(800 / 1_500, 4))


@pytest.mark.parametrize(
    ("crime", "amount", "books"),
    [
        ("overspend_micros", 1, {"charges": [*CHARGES[:2], ("c", 2, 501, "settled")]}),
        ("overspend_micros", 7, {"balances": BALANCES | {2: Balance(budget=507, spent=507)}}),
        ("double_settled", 1, {"charges": [*CHARGES, ("a", 1, 100, "settled")]}),
        ("lost_settlements", 1, {"charges": CHARGES[1:]}),
        ("lost_settlements", 1, {"charges": [("a", 1, 99, "settled"), *CHARGES[1:]]}),
        ("unacknowledged_settlements", 1, {"owed": {"a": 100, "b": 200}}),
        ("unfunded", 1, {"charges": [*CHARGES, ("d", 1, 9, "unfunded")], "owed": OWED | {"d": 9}}),
        ("stuck_micros_after_ttl", 40, {"balances": BALANCES | {1: Balance(1_000, 660, 10, 30, 300)}}),
        ("ledger_differs_micros", 5, {"balances": BALANCES | {1: Balance(1_000, 705, spent=295)}}),
        ("catalog_differs_micros", 300, {"recorded": {2: 500}}),
        ("unbalanced_micros", 1, {"balances": BALANCES | {1: Balance(1_000, 699, spent=300)}}),
    ],
)
def test_a_crime_is_seen(crime, amount, books):
    assert figures(**books)[crime] == amount


def test_a_charge_without_money_is_not_lost():
    found = figures(("d", 1, 9, "unfunded"), owed=OWED | {"d": 9})
    assert found["lost_settlements"] == 0


def test_the_figures_are_json():
    assert msgspec.json.decode(msgspec.json.encode(figures()))["settled"] == 3
