"""Money: who settles whose bids, at what price, how often, and what is held without paying."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rtb.settlement.notice_tokens import Kind
from verification.attacks.case import Attacks, Finding
from verification.attacks.cases.tokens import urls
from verification.attacks.target import BUDGETS, AttackedPlatform

attacks = Attacks()

_FLOOR = 0.5
_FLOOR_MICROS = 500
_SETTLE_SECONDS = 5.0
_HUGE = (
    "1e308",
    "9" * 400,
    "1e-400",
    "0x10",
    "\uff11",
    "1_000",
    "+1",
    " 1",
    "1,5",
    "1;2",
    "Infinity",
    "nan",
    "-0",
    "-1e9",
)
_FLOODED = 200
_Sent = Callable[[AttackedPlatform, dict[str, Any]], object]


def _charged(target: AttackedPlatform, send: _Sent, **request: Any) -> tuple[int, int]:
    """Return what a bid cost after notices were sent, and the bid, in micros."""
    bid, before = target.bid("prices", floor=_FLOOR, **request), target.spent("prices")
    send(target, bid)
    return target.spent("prices") - before, round(bid["price"] * 1_000)


def _within(target: AttackedPlatform, send: _Sent, **request: Any) -> str:
    """Send notices that end with the exchange's true one: the charge must be between floor and bid."""
    charged, bid = _charged(target, send, **request)
    return (
        ""
        if _FLOOR_MICROS <= charged <= bid
        else f"charged {charged} micros: the floor is {_FLOOR_MICROS}, the bid {bid}"
    )


def _price_first(price: str) -> _Sent:
    def send(target: AttackedPlatform, bid: dict[str, Any]) -> None:
        target.notice(bid["burl"], price)
        target.notice(bid["burl"], bid["price"])

    return send


for _price in ("0", "0.0", "0.000001", "1e-9", "1000000", "1e6", "AUDIT", "", "-1"):
    attacks.add(
        Finding.PRICES,
        f"a bill at a price of {_price!r} before the true one",
        partial(_within, send=_price_first(_price)),
    )


def _never_above(target: AttackedPlatform, send: _Sent, **request: Any) -> str:
    charged, bid = _charged(target, send, **request)
    return "" if charged <= bid else f"charged {charged} micros for a bid of {bid}"


@attacks(Finding.PRICES, "prices that are not numbers, or too large")
def odd_prices(target: AttackedPlatform) -> str:
    """Check that they get a 4xx or cost no more than the bid, and cause no server error."""
    statuses: dict[str, int] = {}

    def send(target: AttackedPlatform, bid: dict[str, Any]) -> None:
        for price in _HUGE:
            url = bid["burl"].replace("${AUCTION_PRICE}", price)
            statuses[price] = target.call("GET", url.removeprefix(target.settings.base_url)).status_code

    wrong = _never_above(target, send)
    errors = [f"{price[:12]}: {status}" for price, status in statuses.items() if status >= 500]
    return wrong or ", ".join(errors)


@attacks(Finding.PRICES, "two prices in one notice, the lower first")
def two_prices(target: AttackedPlatform) -> str:
    """Check that, whichever is read, it is not below the floor."""

    def send(target: AttackedPlatform, bid: dict[str, Any]) -> None:
        target.notice(bid["burl"] + "&price=0&price=0.0001", 0)
        target.notice(bid["burl"], bid["price"])

    return _within(target, send)


@attacks(Finding.PRICES, "a first-price bid billed below itself")
def first_price_discount(target: AttackedPlatform) -> str:
    """Check that the charge is the bid, unless the exchange's profile allows discounts."""
    charged, bid = _charged(target, lambda t, b: t.notice(b["burl"], b["price"] / 2), at=1)
    return "" if abs(charged - bid) <= 1 else f"charged {charged} micros for a first-price bid of {bid}"


@attacks(Finding.PRICES, "the other notice charged, by a hint in the query")
def hinted(target: AttackedPlatform) -> str:
    """Check that the sender cannot decide which notice is the charge: there is one, within bounds."""

    def send(target: AttackedPlatform, bid: dict[str, Any]) -> None:
        target.notice(bid["nurl"] + "&on=win", 0)
        target.notice(bid["burl"] + "&on=win", bid["price"])
        target.notice(bid["burl"], bid["price"])
        target.notice(bid["burl"] + "&on=bill", bid["price"])

    return _within(target, send)


@attacks(Finding.PRICES, "a loss after the bill, to have the money back")
def loss_after_bill(target: AttackedPlatform) -> str:
    """Check that charges are final."""

    def send(target: AttackedPlatform, bid: dict[str, Any]) -> None:
        target.notice(bid["burl"], bid["price"])
        target.notice(bid["lurl"])
        target.notice(bid["burl"], 0)

    return _within(target, send)


@attacks(Finding.PRICES, "win, bill and result of one bid, all charged")
def all_ways(target: AttackedPlatform) -> str:
    """Check that a bid is charged once, whatever reports it."""

    def send(target: AttackedPlatform, bid: dict[str, Any]) -> None:
        target.notice(bid["nurl"], bid["price"])
        target.notice(bid["burl"], bid["price"])
        body = {"notice_url": bid["burl"], "won": True, "price": bid["price"]}
        target.call("POST", "/auction-result", "alpha", json=body)
        target.notice(bid["burl"] + "&on=win", bid["price"])

    return _within(target, send)


def _result_by(key: str, kind: Kind, body: dict[str, Any], target: AttackedPlatform) -> str:
    bid, before = target.bid("prices", floor=_FLOOR), target.figures("prices")
    answer = target.call("POST", "/auction-result", key, json={"notice_url": urls(bid)[kind], **body})
    after = target.figures("prices")
    changed = [name for name in ("spent_micros", "wins", "bills", "losses") if after[name] != before[name]]
    target.notice(bid["lurl"])
    return (
        f"{answer.status_code} {answer.text[:120]}, changed: {changed}" if changed or answer.status_code < 400 else ""
    )


_SOLD = {"won": True, "price": 0.6}
attacks.add(Finding.ANONYMOUS, "a bid settled without a key", partial(_result_by, "", Kind.BILL, _SOLD))
for _kind in (Kind.BILL, Kind.WIN):
    attacks.add(
        Finding.ANONYMOUS,
        f"a bid of another exchange settled by its {_kind} URL",
        partial(_result_by, "beta", _kind, _SOLD),
    )
attacks.add(
    Finding.ANONYMOUS, "a bid of another exchange freed as lost", partial(_result_by, "beta", Kind.LOSS, {"won": False})
)
attacks.add(Finding.ANONYMOUS, "a bid settled with a report key", partial(_result_by, "report", Kind.BILL, _SOLD))
attacks.add(
    Finding.TOKENS,
    "a bid settled by its click URL",
    partial(_result_by, "alpha", Kind.CLICK, _SOLD),
)


@attacks(Finding.ANONYMOUS, "a budget spent twice over, by bills at a thousand times the price")
def overspent(target: AttackedPlatform) -> str:
    """Check that the ledger lets no more be spent than there is."""
    bids: list[dict[str, Any]] = []
    for _ in range(60):
        answer = target.call("POST", "/openrtb2/alpha", "alpha", json=target.request("budget"))
        if answer.status_code == 200:
            bids.append(answer.json()["seatbid"][0]["bid"][0])
    for bid in bids:
        target.notice(bid["burl"], bid["price"] * 1_000)
        target.notice(bid["burl"], bid["price"] * 1_000)
    spent = target.spent("budget")
    if not spent:
        raise RuntimeError("nothing was spent: the case tests nothing")
    return f"{spent} micros of {BUDGETS['budget']} spent" if spent > BUDGETS["budget"] else ""


@attacks(Finding.HELD, "all of a campaign's money held by bids that nobody pays for")
def held(target: AttackedPlatform) -> str:
    """Check that what one caller can hold is bounded: others still get bids."""
    for _ in range(_FLOODED):
        target.call("POST", "/openrtb2/beta", "beta", json=target.request("held"))
    answers = [target.call("POST", "/openrtb2/alpha", "alpha", json=target.request("held")) for _ in range(20)]
    good = sum(one.status_code == 200 for one in answers)
    return "" if good >= 10 else f"another exchange got {good} bids of 20"


def _unwon(kind: Kind, count: str, target: AttackedPlatform) -> str:
    """Report a click or conversion of a bid that was never won: it must not count as if the ad was shown."""
    bid, before = target.bid("unwon"), target.figures("unwon")
    landing = target.notice(urls(bid)[Kind.CLICK]).headers.get("location", "")
    told = parse_qs(urlsplit(landing).query).get("rb_click", [])
    if kind is Kind.CONVERSION and told:
        target.call("GET", f"/notice/conversion/{told[0]}")
    time.sleep(1.0)  # replicas' counters are summed twice a second
    after = target.figures("unwon")
    return f"{count} {before[count]} -> {after[count]}" if after[count] != before[count] else ""


attacks.add(Finding.UNWON, "a click of a bid that was never won", partial(_unwon, Kind.CLICK, "clicks"))
attacks.add(Finding.UNWON, "a conversion of a bid that was never won", partial(_unwon, Kind.CONVERSION, "conversions"))


@attacks(Finding.UNWON, "a click of a bid that was lost")
def lost_click(target: AttackedPlatform) -> str:
    """Check that it does not count: a lost bid was never shown."""
    bid = target.bid("unwon")
    target.notice(bid["lurl"])
    before = target.figures("unwon")["clicks"]
    target.notice(urls(bid)[Kind.CLICK])
    time.sleep(1.0)
    after = target.figures("unwon")["clicks"]
    return f"clicks {before} -> {after}" if after != before else ""


@attacks(Finding.UNWON, "fifty clicks of one bid that was won")
def many_clicks(target: AttackedPlatform) -> str:
    """Check that a bid is clicked only once."""
    bid = target.bid("unwon")
    target.notice(bid["nurl"], bid["price"])
    target.notice(bid["burl"], bid["price"])
    before = target.figures("unwon")["clicks"]
    for _ in range(50):
        target.notice(urls(bid)[Kind.CLICK])
    time.sleep(1.0)
    after = target.figures("unwon")["clicks"]
    return f"clicks {before} -> {after}" if after > before + 1 else ""
