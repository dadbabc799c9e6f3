"""A budget is cut below what is promised: nothing more is bid, what was promised is honoured, and that is said."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from rtb.campaigns.campaign import HeldDeal
from tests.conftest import Valkey
from tests.deployments.in_process import running
from tests.rtb.builders import make_campaign
from tests.support import until

BID = 2_000  # micros, agreed: bid whatever the pacing says
BUDGET = 1_000 * BID


def bid(client: httpx.Client) -> dict[str, Any] | None:
    imp = {"id": "1", "banner": {"w": 300, "h": 250}, "pmp": {"deals": [{"id": "d"}], "private_auction": 1}}
    answer = client.post("/openrtb2/bid", json={"id": "r", "imp": [imp]})
    assert answer.status_code in (200, 204)
    return answer.json()["seatbid"][0]["bid"][0] if answer.status_code == 200 else None


@pytest.mark.parametrize("composed", [False, True])
def test_after_a_cut_nothing_more_is_bid(valkey: Valkey, tmp_path: Path, composed: bool) -> None:
    campaign = make_campaign("spring", budget=BUDGET, deals=(HeldDeal(id="d", price_micros=BID),))
    with running(valkey, tmp_path, composed=composed) as platform, platform.client() as client:
        platform.register(campaign)
        bids = [one for one in (bid(client) for _ in range(200)) if one]
        assert len(bids) > 100
        promised = (len(bids) - 1) * BID  # the first REST bid of `register` is held as well
        cut = client.patch("/campaign/spring", json={"budget": {"total_micros": BID}}, headers={"If-Match": "*"})
        assert cut.status_code == 200
        assert cut.json()["over_budget_micros"] >= promised - BID
        # One answer alone may have come without a bid because a stage was late.
        until(lambda: not any(bid(client) for _ in range(10)), 20, "the next pacing table does not come")
        returned = time.monotonic() + 6.5  # a lease lasts five seconds: what comes back of it is not bid either
        while time.monotonic() < returned:
            assert bid(client) is None
            time.sleep(0.05)
        for one in bids[:50]:
            assert client.get(one["burl"].replace("${AUCTION_PRICE}", "2.0")).is_success
        told = client.get("/campaign/spring").json()
        assert told["figures"]["spent_micros"] == 50 * BID
        assert told["over_budget_micros"] >= 49 * BID
        raised = client.patch(
            "/campaign/spring", json={"budget": {"total_micros": BUDGET}}, headers={"If-Match": '"2"'}
        )
        assert raised.json()["over_budget_micros"] == 0
        until(lambda: bid(client), 30, "the money is not bid again")
