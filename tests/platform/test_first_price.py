"""Bids in first-price auctions come down once the platform has learned what it takes to win."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from pipelines.local import Platform
from rtb.settings import Settings
from tests.platform.test_traffic import bids_of, replay, requests_of

pytestmark = pytest.mark.cluster


def test_shading_is_learned_from_served_traffic(platform: Platform, settings: Settings, api: httpx.Client) -> None:
    """The same requests under both kinds of auction: a first-price bid is never higher, and here and there lower."""
    figures = replay(settings, "--auction", "first", "--duration", "8", "--rate", "150")
    assert figures["errors"] == 0, figures
    requests = [json.loads(body) for body in requests_of(9, 150)]
    first, second = ([_price(bid) for bid in bids_of(api, _held(requests, at))] for at in (1, 2))
    same = [(one, other) for one, other in zip(first, second, strict=True) if one and other and one[0] == other[0]]
    assert same, (sum(map(bool, first)), sum(map(bool, second)), figures)
    parts = [one[1] / other[1] for one, other in same]
    assert max(parts) <= 1.0 + 1e-6
    assert min(parts) < 0.9


def _held(requests: list[dict[str, Any]], at: int) -> list[bytes]:
    return [json.dumps(request | {"at": at}).encode() for request in requests]


def _price(bid: dict[str, Any] | None) -> tuple[str, float] | None:
    return None if bid is None else (bid["crid"], bid["price"])
