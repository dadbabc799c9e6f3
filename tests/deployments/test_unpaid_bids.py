"""One exchange asks for bids and never pays: the campaign goes on bidding to others.

Under a deal, whose price is bid whatever the pacing says: elsewhere that slows a thief down as well.
"""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from rtb.campaigns.campaign import HeldDeal
from tests.conftest import Valkey
from tests.deployments.in_process import Platform, running
from tests.rtb.builders import make_campaign
from tests.support import until

BID = 2_000  # micros
BUDGET = 100 * BID


def key_of(platform: Platform, name: str) -> httpx.Client:
    """Yield a client with its own exchange key."""
    with platform.client() as client:
        made = client.post("/admin/keys", json={"name": name, "scopes": ["exchange"]}).json()
    return platform.client(made["key"])


def bids(client: httpx.Client, of: int) -> int:
    """How many of these requests for an interstitial, whose money is held longest, are bid on."""
    deals = {"deals": [{"id": "d", "bidfloor": 0.01}], "private_auction": 1}
    imp = {"id": "1", "banner": {"w": 300, "h": 250}, "pmp": deals, "instl": 1}
    made = 0
    for number in range(of):
        answer = client.post("/openrtb2/bid", json={"id": f"r{number}", "imp": [imp]})
        assert answer.status_code in (200, 204), answer.text
        made += answer.status_code == 200
    return made


def test_a_caller_that_never_pays_cannot_hold_all_the_money(valkey: Valkey, tmp_path: Path) -> None:
    campaign = make_campaign("spring", budget=BUDGET, deals=(HeldDeal(id="d", price_micros=BID),))
    with running(valkey, tmp_path) as platform:
        platform.register(campaign)
        with key_of(platform, "thief") as thief, key_of(platform, "honest") as honest:
            deadline, held, seen = time.monotonic() + 60, 0, -1
            while held != seen:
                assert time.monotonic() < deadline
                seen, held = held, held + bids(thief, 100)
                time.sleep(0.5)  # for a lease that is on its way
            assert 0 < held <= 0.6 * BUDGET / BID  # half, and what lay ready for whoever comes first
            until(lambda: bids(honest, 1), 60, "the honest caller gets no bid")
