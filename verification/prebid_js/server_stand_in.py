"""The part of Prebid Server between the page and a bidder, as docs/prebid_server_go.md asks it of an adapter."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx
import msgspec

from rtb.openrtb.macros import AUCTION_PRICE

Json = dict[str, Any]

BIDDER = "raybid"
_ENDPOINT = "/openrtb2/prebid_server"
_NOTICED = ("nurl", "burl", "adm")


class Offer(NamedTuple):
    """What the page was offered.

    Attributes:
        price: CPM.
        burl: address of the billing notice.
        bills_by_markup: whether the markup holds that address too.
    """

    price: float
    burl: str
    bills_by_markup: bool


class PrebidServer:
    """A Prebid Server with one bidder.

    Args:
        client: client of the platform, with the exchange's key.
        address: the browser's address.

    Attributes:
        offers: the bid that was returned, by imp.
        refused: statuses of the bidder's answers other than 200 and 204.
    """

    def __init__(self, client: httpx.Client, address: str) -> None:
        self._client, self._address = client, address
        self.offers: dict[str, Offer] = {}
        self.refused: list[int] = []

    def answer(self, body: bytes) -> bytes:
        """Ask the bidder; return the answer for the page."""
        request: Json = msgspec.json.decode(body)
        request.setdefault("device", {})["ip"] = self._address
        answer = self._client.post(_ENDPOINT, json=request)
        if answer.status_code == 200:
            return msgspec.json.encode(self._completed(answer.json()))
        if answer.status_code != 204:
            self.refused.append(answer.status_code)
        return msgspec.json.encode({"id": request["id"], "seatbid": []})

    def _completed(self, response: Json) -> Json:
        bids: list[Json] = [bid for seat in response["seatbid"] for bid in seat["bid"]]
        for bid in bids:
            price = f"{bid['price']}"
            bid |= {name: bid[name].replace(AUCTION_PRICE, price) for name in _NOTICED if name in bid}
            self.offers[bid["impid"]] = Offer(bid["price"], bid["burl"], bid["burl"] in bid.get("adm", ""))
        return response | {"seatbid": [{"seat": BIDDER, "bid": bids}]}
