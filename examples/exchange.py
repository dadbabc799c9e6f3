"""An exchange of a few lines: it offers an impression, and tells the winner."""

from __future__ import annotations

from typing import Any

import httpx

REQUEST = {
    "id": "example-1",
    "at": 2,  # second price: the winner pays what the next one bid
    "tmax": 300,
    "imp": [{"id": "1", "banner": {"w": 300, "h": 250}, "bidfloor": 0.05}],
    "site": {"domain": "news-001.example"},
    "device": {"devicetype": 4, "os": "iOS", "geo": {"country": "USA", "region": "CA"}},
}


def offer(platform: httpx.Client) -> dict[str, Any] | None:
    """Offer one impression; the bid on it, or none."""
    answer = platform.post("/openrtb2/bid", json=REQUEST)
    if answer.status_code == 204:
        return None
    bid: dict[str, Any] = answer.json()["seatbid"][0]["bid"][0]
    return bid


def sell(platform: httpx.Client, bid: dict[str, Any], cpm: float) -> None:
    """Tell of the win and of the bill, with the price filled in, as exchanges do it."""
    for notice in ("nurl", "burl"):
        platform.get(_path(bid[notice]).replace("${AUCTION_PRICE}", str(cpm)))


def click(platform: httpx.Client, bid: dict[str, Any]) -> None:
    """Follow the link in the markup, as who sees the ad does."""
    platform.get("/notice/click/" + bid["adm"].partition("/notice/click/")[2].split('"')[0])


def lose(platform: httpx.Client, bid: dict[str, Any]) -> None:
    """Tell that somebody else has won: the bid's money is free again."""
    platform.get(_path(bid["lurl"]).replace("${AUCTION_LOSS}", "102"))


def trade(platform: httpx.Client, campaign: str, *, is_clicked: bool = False) -> bool:
    """Offer an impression that a campaign gets, at what it bid, where it bids; whether it got it."""
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
    """Without the host, which may be the platform's public name."""
    return url[url.index("/notice/") :]
