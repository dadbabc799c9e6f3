"""A minimal exchange: it offers an impression, and notifies the winner."""

from __future__ import annotations

from typing import Any

import httpx

REQUEST = {
    "id": "example-1",
    "at": 2,  # second price: the winner pays the next bid
    "tmax": 300,
    "imp": [{"id": "1", "banner": {"w": 300, "h": 250}, "bidfloor": 0.05}],
    "site": {"domain": "news-001.example"},
    "device": {"devicetype": 4, "os": "iOS", "geo": {"country": "USA", "region": "CA"}},
}


def offer(platform: httpx.Client) -> dict[str, Any] | None:
    """Offer one impression; return the bid on it, or None."""
    answer = platform.post("/openrtb2/bid", json=REQUEST)
    if answer.status_code == 204:
        return None
    bid: dict[str, Any] = answer.json()["seatbid"][0]["bid"][0]
    return bid


def sell(platform: httpx.Client, bid: dict[str, Any], cpm: float) -> None:
    """Send the win and billing notices with the price filled in, as exchanges do."""
    for notice in ("nurl", "burl"):
        platform.get(_path(bid[notice]).replace("${AUCTION_PRICE}", str(cpm)))


def click(platform: httpx.Client, bid: dict[str, Any]) -> None:
    """Follow the link in the markup, as a person who sees the ad does."""
    platform.get("/notice/click/" + bid["adm"].partition("/notice/click/")[2].split('"')[0])


def lose(platform: httpx.Client, bid: dict[str, Any]) -> None:
    """Send the loss notice: it frees the bid's money."""
    platform.get(_path(bid["lurl"]).replace("${AUCTION_LOSS}", "102"))


def trade(platform: httpx.Client, campaign: str, *, is_clicked: bool = False) -> bool:
    """Offer an impression, and sell it to a campaign at its bid if it bids; return whether it did."""
    bid = offer(platform)
    if bid is None:
        return False
    if bid["cid"] != campaign:
        lose(platform, bid)
        return False
    sell(platform, bid, bid["price"])
    if is_clicked:
        click(platform, bid)
    return True


def _path(url: str) -> str:
    """Return the URL without the host, which may be the platform's public name."""
    return url[url.index("/notice/") :]
