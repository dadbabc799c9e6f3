"""Portfolios of record: versions, checks in the transaction, and budgets moved, each once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rtb.catalog import Catalog, MoveRecord, PortfolioChanged, PortfolioExists, PortfolioRecord, PortfolioUnknown


def anything(_: Sequence[PortfolioRecord]) -> None:
    """No objection."""


def test_one_is_made_changed_and_gone(catalog: Catalog) -> None:
    book = catalog.portfolios
    made = book.create("season", "a", anything)
    assert (made.version, made.state) == (1, "")
    assert book.get("season") == made
    changed = book.change("season", 1, lambda body: body + "b", anything)
    assert (changed.body, changed.version) == ("ab", 2)
    assert book.change("season", 2, lambda body: body, anything).version == 2  # what changes nothing is no change
    assert [one.id for one in book.all()] == ["season"]
    book.delete("season", 2)
    assert book.all() == []


def test_the_second_of_two_changes_is_refused(catalog: Catalog) -> None:
    book = catalog.portfolios
    book.create("season", "a", anything)
    book.change("season", 1, lambda _: "b", anything)
    with pytest.raises(PortfolioChanged, match="is at version 2, not 1") as refused:
        book.change("season", 1, lambda _: "c", anything)
    assert refused.value.version == 2
    with pytest.raises(PortfolioChanged):
        book.delete("season", 1)
    with pytest.raises(PortfolioExists):
        book.create("season", "d", anything)
    assert book.get("season").body == "b"


@pytest.mark.parametrize("name", ["ghost", "a\0b"])
def test_what_is_not_there_is_told(catalog: Catalog, name: str) -> None:
    book = catalog.portfolios
    for call in (lambda: book.get(name), lambda: book.delete(name, 1), lambda: book.change(name, 1, str, anything)):
        with pytest.raises(PortfolioUnknown):
            call()
    assert book.moves(name) == []
    book.carry(name.replace("\0", ""), "state")  # somebody else deleted it meanwhile


def test_an_objection_leaves_everything_as_it_was(catalog: Catalog) -> None:
    book, seen = catalog.portfolios, list[list[str]]()

    def object_to(others: Sequence[PortfolioRecord]) -> None:
        seen.append([one.body for one in others])
        raise ValueError("no")

    book.create("one", "a", anything)
    for act in (lambda: book.create("two", "b", object_to), lambda: book.change("one", 1, lambda _: "c", object_to)):
        with pytest.raises(ValueError, match="no"):
            act()
    assert seen == [["a"], ["c"]]
    assert [(one.id, one.body, one.version) for one in book.all()] == [("one", "a", 1)]


def test_what_is_carried_raises_no_version(catalog: Catalog) -> None:
    book = catalog.portfolios
    book.create("season", "a", anything)
    book.carry("season", '{"at": 1}')
    assert (book.get("season").state, book.get("season").version) == ('{"at": 1}', 1)
    assert book.change("season", 1, lambda _: "b", anything).state == '{"at": 1}'


def test_moves_are_counted_once_with_the_position_they_reach(catalog: Catalog) -> None:
    there, back = MoveRecord("season", 5.0, 1, 2, 70, "because"), MoveRecord("season", 6.5, 2, 1, 20, "it changed")
    assert catalog.record_spend([], "5-0", moves=[there, back])
    assert not catalog.record_spend([], "5-0", moves=[there, back])
    assert catalog.record_spend([], "6-0", moves=[there._replace(portfolio="other", target=3)])
    assert catalog.portfolios.moves("season") == [there, back]
    assert catalog.portfolios.moves("season", 1) == [back]
    assert catalog.portfolios.moved() == {1: -120, 2: 50, 3: 70}
