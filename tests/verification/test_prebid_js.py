"""What the trial of Prebid.js calls a fault, and what stands between the page and the platform."""

from __future__ import annotations

import json
import shutil
from typing import Any

import httpx
import pytest

from verification.clients.packages import ClientsMissing, packages
from verification.prebid_js.advertiser import AD_UNITS, campaign_of, picture
from verification.prebid_js.books import AdBooks, billing_faults, click_faults
from verification.prebid_js.server_stand_in import BIDDER, PrebidServer

GOOD = AdBooks(bills=1, spent_micros=2_500, clicks=1, price=2.5, sent=1, landings=1)
BID = {
    "id": "b",
    "impid": "banner",
    "price": 2.5,
    "burl": "https://bid.example/bill?price=${AUCTION_PRICE}",
    "mtype": 1,
}


def test_good_books_have_no_fault() -> None:
    assert billing_faults({"banner": GOOD}) == click_faults({"banner": GOOD}) == []


@pytest.mark.parametrize(
    "change", [{"bills": 0}, {"bills": 2}, {"spent_micros": 2_501}, {"sent": 2}, {"sent": 0}, {"price": None}], ids=str
)
def test_what_is_not_billed_once_for_its_price_is_told(change: dict[str, Any]) -> None:
    (fault,) = billing_faults({"banner": GOOD, "video": GOOD._replace(**change)})
    assert fault.startswith("video: billed")


@pytest.mark.parametrize(("sent", "is_good"), [(0, False), (1, True), (2, True), (3, False)])
def test_an_ad_whose_markup_bills_too_may_send_two_notices(sent: int, is_good: bool) -> None:
    books = GOOD._replace(sent=sent, bills_by_markup=True)
    assert bool(billing_faults({"video": books})) is not is_good


@pytest.mark.parametrize("change", [{"clicks": 0}, {"clicks": 2}, {"landings": 0}], ids=str)
def test_what_is_not_clicked_through_once_is_told(change: dict[str, Any]) -> None:
    (fault,) = click_faults({"banner": GOOD, "video": GOOD._replace(**change)})
    assert fault.startswith("video: ")


def _asked(answer: httpx.Response) -> tuple[PrebidServer, dict[str, Any], dict[str, Any]]:
    """Return a Prebid Server that asked a bidder, what it sent, and what it answered the page."""
    sent: list[dict[str, Any]] = []

    def bid(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        assert request.url.path == "/openrtb2/prebid_server"
        return answer

    with httpx.Client(base_url="http://bid.example", transport=httpx.MockTransport(bid)) as client:
        server = PrebidServer(client, "192.0.2.7")
        told = json.loads(server.answer(b'{"id": "r", "imp": [{"id": "banner"}]}'))
    return server, sent[0], told


def test_the_stand_in_tells_the_address_and_fills_in_the_price() -> None:
    server, sent, told = _asked(httpx.Response(200, json={"id": "r", "seatbid": [{"seat": "raybid", "bid": [BID]}]}))
    assert sent["device"] == {"ip": "192.0.2.7"}
    (seat,) = told["seatbid"]
    assert (seat["seat"], seat["bid"][0]["burl"]) == (BIDDER, "https://bid.example/bill?price=2.5")
    assert server.offers == {"banner": (2.5, "https://bid.example/bill?price=2.5", False)}


def test_the_stand_in_knows_an_address_in_the_markup() -> None:
    bid = BID | {"burl": "https://bid.example/bill/t", "adm": "<Impression>https://bid.example/bill/t</Impression>"}
    server, _, _ = _asked(httpx.Response(200, json={"id": "r", "seatbid": [{"seat": "raybid", "bid": [bid]}]}))
    assert server.offers["banner"].bills_by_markup


@pytest.mark.parametrize(("status", "refused"), [(204, []), (400, [400])])
def test_no_bid_is_none_for_the_page(status: int, refused: list[int]) -> None:
    server, _, told = _asked(httpx.Response(status))
    assert (told, server.refused) == ({"id": "r", "seatbid": []}, refused)


def test_each_ad_unit_has_a_campaign_that_keeps_its_id() -> None:
    names = [campaign_of(unit).id for unit in AD_UNITS]
    assert names == [campaign_of(unit).id for unit in AD_UNITS]
    assert len(set(names)) == len(AD_UNITS) == 4


def test_pictures_have_the_size_of_their_path() -> None:
    assert b'width="300" height="250"' in (picture("/300x250.svg") or b"")
    assert picture("/film.webm") is picture("/ax1.svg") is picture("/300.svg") is None


@pytest.mark.parametrize("program", ["node", "npm"])
def test_what_is_missing_for_the_clients_is_told(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else f"/usr/bin/{name}")
    with pytest.raises(ClientsMissing, match=f"{program} is missing"):
        packages()
