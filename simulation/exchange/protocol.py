"""Checks of a bidder's answer by the protocol (OpenRTB 2.6, section 4), each rule counted by name."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

_PRICE_MACRO = "${AUCTION_PRICE"  # without its end: `:B64}` may follow
_PLAYED = (2, 3)  # `mtype` of video and audio
_MAX_CPM = 1e9  # a higher price is a mistake in any currency


@dataclass(frozen=True, slots=True)
class OfferedImp:
    """One impression of a request.

    Attributes:
        floor_cpm: floor price, CPM.
        currency: currency of the floor.
        sizes: allowed (width, height); empty if the imp has no banner or leaves the size open.
        banner_only: whether it takes nothing but a banner.
        deals: floor and its currency by deal; without a floor of the deal's own, the imp's applies.
        is_private: whether it is sold under deals only.
        by_length: whether the floor depends on the creative's length, which is not checked here.
        quantity: impressions that one sale stands for.
    """

    floor_cpm: float
    currency: str
    sizes: frozenset[tuple[int, int]]
    banner_only: bool
    deals: dict[str, tuple[float, str]] = field(default_factory=dict)
    is_private: bool = False
    by_length: bool = False
    quantity: float = 1.0

    def floor_of(self, bid: OfferedBid) -> tuple[float, str]:
        """Return the floor that applies to a bid, CPM, and its currency."""
        cpm, currency = self.deals.get(bid.dealid, (0.0, "USD"))
        return (cpm, currency) if cpm > 0 else (self.floor_cpm, self.currency)


@dataclass(frozen=True, slots=True)
class OfferedRequest:
    """The parts of a request that its answer is checked against.

    Attributes:
        id: request id.
        imps: imps by id.
        currencies: currencies that a bid may use.
        tmax_ms: time that the bidder has, None if not given.
    """

    id: str
    imps: dict[str, OfferedImp]
    currencies: frozenset[str]
    tmax_ms: float | None


class OfferedBid(Struct):
    """One bid of an answer, with the fields that an exchange reads; an absent field has its default."""

    id: str = ""
    impid: str = ""
    price: float = 0.0
    nurl: str = ""
    burl: str = ""
    lurl: str = ""
    adm: str = ""
    adid: str = ""
    adomain: list[str] = []
    cid: str = ""
    crid: str = ""
    dealid: str = ""
    w: int | None = None
    h: int | None = None
    mtype: int | None = None


class _SeatBid(Struct):
    bid: list[OfferedBid] = []
    seat: str = ""


class _Answer(Struct):
    id: str = ""
    bidid: str = ""
    cur: str = "USD"
    seatbid: list[_SeatBid] = []


@dataclass(frozen=True, slots=True)
class CheckedBid:
    """A bid with the rules that it and its answer break.

    Attributes:
        bid: bid as answered.
        seat: seat that it is for.
        response_id: the bidder's id of the answer (`bidid`).
        currency: currency of the price.
        broken: names of the rules it breaks; such a bid is excluded from the auction.
        quantity: impressions that its sale stands for.
    """

    bid: OfferedBid
    seat: str
    response_id: str
    currency: str
    broken: tuple[str, ...]
    quantity: float = 1.0


@dataclass(frozen=True, slots=True)
class CheckedResponse:
    """All bids of an answer, and how often each rule was broken."""

    bids: list[CheckedBid]
    violations: Counter[str]


_decoder = msgspec.json.Decoder(_Answer)


def read_request(body: bytes) -> OfferedRequest:
    """Read a request leniently: requests are replayed as they are, malformed ones too."""
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raw = {}
    request = raw if isinstance(raw, dict) else {}
    imps = {_text(imp.get("id")): _read_imp(imp) for imp in _list(request.get("imp")) if isinstance(imp, dict)}
    currencies = frozenset(_text(currency) for currency in _list(request.get("cur"))) or frozenset({"USD"})
    return OfferedRequest(_text(request.get("id")), imps, currencies, _number(request.get("tmax")))


def check_response(body: bytes, request: OfferedRequest) -> CheckedResponse:
    """Check the body of a 200 against the protocol.

    Rules of the whole answer: `not_json`, `wrong_shape` (a field of the wrong type), `id_mismatch`,
    `currency_not_allowed`. Rules of a bid: `no_bid_id`, `duplicate_bid_id`, `unknown_imp`, `bad_price`,
    `below_floor`, `unknown_deal`, `no_deal`, `wrong_size`, `no_crid`, `no_adomain`, `no_price_macro`.

    Args:
        body: body of the answer.
        request: request that it answers.
    """
    try:
        answer = _decoder.decode(body)
    except msgspec.ValidationError:
        return CheckedResponse([], Counter(wrong_shape=1))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return CheckedResponse([], Counter(not_json=1))
    of_all = _broken_by_answer(answer, request)
    violations = Counter(of_all)
    checked = []
    seen: set[str] = set()
    for seatbid in answer.seatbid:
        for bid in seatbid.bid:
            broken = _broken_by_bid(bid, answer.cur, request, seen)
            violations.update(broken)
            imp = request.imps.get(bid.impid)
            quantity = 1.0 if imp is None else imp.quantity
            checked.append(CheckedBid(bid, seatbid.seat, answer.bidid, answer.cur, (*of_all, *broken), quantity))
    return CheckedResponse(checked, violations)


def _broken_by_answer(answer: _Answer, request: OfferedRequest) -> list[str]:
    broken = []
    if answer.id != request.id:
        broken.append("id_mismatch")
    if answer.seatbid and answer.cur not in request.currencies:
        broken.append("currency_not_allowed")
    return broken


def _broken_by_bid(bid: OfferedBid, currency: str, request: OfferedRequest, seen: set[str]) -> list[str]:
    imp = request.imps.get(bid.impid)
    rules = {
        "no_bid_id": not bid.id,
        "duplicate_bid_id": bool(bid.id) and bid.id in seen,
        "unknown_imp": imp is None,
        "bad_price": not 0 < bid.price < _MAX_CPM,
        "below_floor": imp is not None and _is_below(bid, currency, imp),
        "unknown_deal": imp is not None and bool(bid.dealid) and bid.dealid not in imp.deals,
        "no_deal": imp is not None and imp.is_private and not bid.dealid,
        "wrong_size": imp is not None and not _fits(bid, imp),
        "no_crid": not bid.crid,
        "no_adomain": not any(bid.adomain),
        "no_price_macro": _PRICE_MACRO not in (bid.burl or bid.nurl),
    }
    seen.add(bid.id)
    return [rule for rule, is_broken in rules.items() if is_broken]


def _is_below(bid: OfferedBid, currency: str, imp: OfferedImp) -> bool:
    """Return whether a bid is below its floor, as far as that is known without exchange rates."""
    floor, named = imp.floor_of(bid)
    return named == currency and bid.price < floor and not (imp.by_length and bid.mtype in _PLAYED)


def _fits(bid: OfferedBid, imp: OfferedImp) -> bool:
    is_banner = imp.banner_only or bid.mtype == 1
    return not is_banner or not imp.sizes or (bid.w, bid.h) in imp.sizes


def _read_imp(imp: dict[str, Any]) -> OfferedImp:
    banner = imp.get("banner")
    sizes: frozenset[tuple[int, int]] = frozenset()
    if isinstance(banner, dict):
        formats = [banner, *(entry for entry in _list(banner.get("format")) if isinstance(entry, dict))]
        pairs = [(_number(entry.get("w")), _number(entry.get("h"))) for entry in formats]
        sizes = frozenset((int(w), int(h)) for w, h in pairs if w and h)
    pmp = imp["pmp"] if isinstance(imp.get("pmp"), dict) else {}
    deals = [deal for deal in _list(pmp.get("deals")) if isinstance(deal, dict)]
    played = [*deals, *(imp[kind] for kind in ("video", "audio") if isinstance(imp.get(kind), dict))]
    others = any(isinstance(imp.get(kind), dict) for kind in ("video", "audio", "native"))
    return OfferedImp(
        floor_cpm=_number(imp.get("bidfloor")) or 0.0,
        currency=_currency(imp),
        sizes=sizes,
        banner_only=isinstance(banner, dict) and not others,
        deals={_text(deal.get("id")): (_number(deal.get("bidfloor")) or 0.0, _currency(deal)) for deal in deals},
        is_private=_number(pmp.get("private_auction")) == 1,
        by_length=any(item.get("durfloors") or item.get("mincpmpersec") for item in played),
        quantity=_quantity(imp.get("qty")),
    )


def _quantity(qty: Any) -> float:
    return (_number(qty.get("multiplier")) if isinstance(qty, dict) else None) or 1.0


def _currency(floored: dict[str, Any]) -> str:
    return _text(floored.get("bidfloorcur")) or "USD"


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
