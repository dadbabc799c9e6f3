"""First-price bids manipulated by false notices, without paying for anything."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from verification.attacks.case import Attacks, Finding
from verification.attacks.flood import statuses_of
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_IMPS = 40
_BIDS = 1_000
_LEARNED_SECONDS = 8.0
_MOST_CHANGE = 1.4
"""Factor by which bids vary through pacing alone; an attack moved them by a factor of thirty."""


def _price(target: AttackedPlatform, exchange: str) -> float:
    """Return the median bid of a few first-price auctions, without sending notices for them."""
    bids = [target.bid("learning", exchange, at=1, floor=0.05) for _ in range(5)]
    return statistics.median(float(bid["price"]) for bid in bids)


def _bids(target: AttackedPlatform, exchange: str) -> list[dict[str, Any]]:
    """Collect many first-price bids, forty per request."""
    found: list[dict[str, Any]] = []
    imps = [{"id": str(i), "banner": {"w": 300, "h": 250}, "bidfloor": 0.05} for i in range(_IMPS)]
    for _ in range(2 * _BIDS // _IMPS):
        answer = target.call("POST", f"/openrtb2/{exchange}", exchange, json=target.request("learning", at=1, imp=imps))
        if answer.status_code == 200:
            found += [bid for seat in answer.json()["seatbid"] for bid in seat["bid"]]
        if len(found) >= _BIDS:
            break
    if len(found) < _BIDS // 8:
        raise RuntimeError(f"only {len(found)} bids to lie about")
    return found


def _lies(bids: Sequence[dict[str, Any]], notice: str, least: str) -> list[str]:
    return [
        bid[notice]
        .replace("${AUCTION_MIN_TO_WIN}", least)
        .replace("${AUCTION_PRICE}", "0.01")
        .replace("${AUCTION_LOSS}", "102")
        for bid in bids
        if notice in bid
    ]


def _changed(target: AttackedPlatform, before: dict[str, float]) -> str:
    """Watch the bids of each exchange for as long as learning takes."""
    deadline = time.monotonic() + _LEARNED_SECONDS
    worst = ""
    while time.monotonic() < deadline:
        for exchange, price in before.items():
            now = _price(target, exchange)
            if max(now / price, price / now) > _MOST_CHANGE:
                worst = f"first-price bids at {exchange} went from {price:.3f} to {now:.3f} CPM"
        time.sleep(1.0)
    return worst


def _lied(notice: str, least: str, watched: tuple[str, ...], target: AttackedPlatform) -> str:
    before = {exchange: _price(target, exchange) for exchange in watched}
    statuses_of([("GET", url, "", b"") for url in _lies(_bids(target, "alpha"), notice, least)])
    return _changed(target, before)


_LIES = {
    "win notices that say 0.01 would have won, of bids never paid": ("nurl", "0.01", ("alpha", "beta")),
    "win notices that say 900 would have won, of bids never paid": ("nurl", "900", ("alpha", "beta")),
    "loss notices that say 900 would have won, for another exchange's bids": ("lurl", "900", ("beta",)),
    "loss notices that say 0.01 would have won, for another exchange's bids": ("lurl", "0.01", ("beta",)),
    "loss notices below the floor, for one's own bids": ("lurl", "0.0001", ("alpha", "beta")),
}
for _name, (_notice, _least, _watched) in _LIES.items():
    attacks.add(Finding.LEARNING, f"{_BIDS} {_name}", partial(_lied, _notice, _least, _watched))


@attacks(Finding.LEARNING, "results over REST that say 0.01 would have won, of another exchange's bids")
def over_rest(target: AttackedPlatform) -> str:
    """Try the same lie over `POST /auction-result`."""
    before = {"alpha": _price(target, "alpha"), "beta": _price(target, "beta")}
    for bid in _bids(target, "alpha")[:300]:
        body = {"notice_url": bid["lurl"], "won": False, "min_to_win": 0.01}
        target.call("POST", "/auction-result", "beta", json=body)
    return _changed(target, before)
