"""What is a portfolio and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from portfolio.definition import PortfolioError, check_apart, decode_portfolio, encode_portfolio, patch_portfolio

GOOD: dict[str, Any] = {"id": "all", "members": [{"campaign": "a"}, {"campaign": "b", "target_cpc_micros": 500}]}


def made(**fields: Any) -> Any:
    return decode_portfolio(json.dumps(GOOD | fields))


def test_one_is_the_same_after_a_round_trip() -> None:
    portfolio = made(strategy="bandit", interval_seconds=5)
    assert decode_portfolio(encode_portfolio(portfolio)) == portfolio
    assert portfolio.members[1].targets.cpc == 500
    assert portfolio.members[0].limits(70).step == 70


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"members": []}, "members"),
        ({"members": [{"campaign": "a"}, {"campaign": "a"}]}, "same campaign"),
        ({"members": [{"campaign": "a", "floor_micros": 5, "cap_micros": 4}]}, r"members\[0\].cap_micros"),
        ({"members": [{"campaign": "a", "target_roi": -1}]}, "target_roi"),
        ({"strategy": "greedy"}, "strategy"),
        ({"explore_rate": 1.5}, "explore_rate"),
        ({"interval_seconds": 0}, "interval_seconds"),
        ({"most_move": 0}, "most_move"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_is_none_is_told_by_its_field(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(PortfolioError, match=said):
        made(**fields)


def test_rubbish_is_refused() -> None:
    for body in (b"", b"[]", b"{", b"\xff", b"null"):
        with pytest.raises(PortfolioError):
            decode_portfolio(body)


def test_a_change_replaces_fields_and_null_takes_the_default() -> None:
    changed = patch_portfolio(made(strategy="bandit", most_move=0.3), {"strategy": "dual", "most_move": None})
    assert (changed.strategy, changed.most_move) == ("dual", 0.1)
    patches: list[Any] = [[], {"id": "other"}, {"members": None}, {"members": "a"}, {"strategy": 5}]
    for patch in patches:
        with pytest.raises(PortfolioError):
            patch_portfolio(made(), patch)


def test_a_campaign_is_in_one_portfolio() -> None:
    check_apart([made(), made(id="other", members=[{"campaign": "c"}])])
    with pytest.raises(PortfolioError, match="campaign 'b' is already in portfolio 'all'"):
        check_apart([made(), made(id="other", members=[{"campaign": "b"}])])
