"""Bids in first-price auctions come down once the platform has learned what it takes to win."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from raybid.local import Platform
from rtb.runtime.settings import Settings
from tests.platform.test_traffic import bids_of, replay, requests_of

pytestmark = pytest.mark.cluster


def test_shading_is_learned_from_served_traffic(platform: Platform, settings: Settings, api: httpx.Client) -> None:
    """The same requests under both kinds of auction, one right after the other: nothing else differs."""
    figures = replay(settings, "--auction", "first", "--duration", "8", "--rate", "150")
    assert figures["errors"] == 0, figures
    requests = [json.loads(body) for body in requests_of(9, 100)]
    bodies = [json.dumps(request | {"at": at}).encode() for request in requests for at in (1, 2)]
    bids = [_price(bid) for bid in bids_of(api, bodies)]
    pairs = zip(bids[::2], bids[1::2], strict=True)
    parts = sorted(one[1] / other[1] for one, other in pairs if one and other and one[0] == other[0])
    assert parts[0] < 0.9
    assert parts[len(parts) // 2] <= 1.0 + 1e-6  # not all: a pacing table may come between the two


def _price(bid: dict[str, Any] | None) -> tuple[str, float] | None:
    return None if bid is None else (bid["crid"], bid["price"])
