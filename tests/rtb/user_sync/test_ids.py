"""Ids of ours: random, short, and nobody else makes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.inventory.identity import person
from rtb.user_sync.ids import SyncIds

IDS = SyncIds("a secret of the tests for users")
OTHERS = SyncIds("another secret of the tests, and long")


def test_an_id_is_ours_and_no_two_are_alike() -> None:
    made = {IDS.make() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(IDS.is_ours(id) for id in made)
    assert {len(id) for id in made} == {32}
    assert not any(OTHERS.is_ours(id) for id in made)


def test_an_id_names_somebody() -> None:
    """As `user.buyeruid` it is not taken for a placeholder."""
    assert all(person(id) == id for id in (IDS.make() for _ in range(1_000)))


@given(st.integers(0, 31), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_an_id_with_a_letter_changed_is_not_ours(place: int, letter: str) -> None:
    id = IDS.make()
    changed = f"{id[:place]}{letter}{id[place + 1 :]}"
    assert IDS.is_ours(changed) == (changed == id)


@given(st.one_of(st.text(), st.from_regex(r"[a-z2-7]{32}", fullmatch=True), st.from_regex(r"[A-Z2-7=]{32}")))
def test_what_is_made_up_is_not_ours(text: str) -> None:
    assert not IDS.is_ours(text)


def test_another_spelling_is_not_ours() -> None:
    id = IDS.make()
    assert not any(IDS.is_ours(one) for one in (id.upper(), f"{id}\n", f" {id}", f"{id}=", f'"{id}"', id[:-1]))


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="RAYBID_USER_SECRET"):
        SyncIds("short")
