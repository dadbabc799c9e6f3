"""The profile of an exchange, and how profiles and keys are named in tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from rtb.openrtb import Bid, BidRequest, NoBid
from rtb.openrtb.macros import AUCTION_PRICE
from rtb.openrtb.supply_chain import chain_of, is_complete, names_of, seller_name, sellers_of
from rtb.openrtb.types import Imp

SHARED_ENDPOINT = "/openrtb2/bid"
"""Path where any exchange may POST; `/openrtb2/bid/<name>` names one."""

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$(?!\n)")]
_Endpoint = Annotated[str, msgspec.Meta(pattern=r"^(/openrtb2/[a-z0-9_/-]{1,64})?$(?!\n)")]
_Currency = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{3})?$(?!\n)")]
_KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{12}$(?!\n)")]
_PriceKeys = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{0,32}$(?!\n)")]
_Macro = Annotated[str, msgspec.Meta(pattern=r"^[$%{][A-Za-z0-9_:${}%-]{1,62}[}%]$(?!\n)")]
_Domain = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9.-]{0,253}$(?!\n)")]
_Format = Literal["banner", "video", "native", "audio"]
_ORDER: tuple[_Format, ...] = ("banner", "video", "native", "audio")
"""The order in which Prebid Server Java's `generic` adapter looks for the type of a bid."""

_BY_MARKUP = ("video", "audio", "native")
"""Formats whose markup is read by a player or a page that calls addresses in it."""

_FIRST_PRICE = 1
_MTYPES: dict[str, int] = {"banner": 1, "video": 2, "audio": 3, "native": 4}
"""Values of `bid.mtype` by format, list "Creative Markup Types"."""

_SyncHost = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?$(?!\n)", max_length=260)]
_SyncMacro = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_:${}\[\]]{3,64}$(?!\n)")]

_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=60_000)]


class ExchangeError(ValueError):
    """An invalid profile; the message names file and field."""


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Deviations of an exchange from OpenRTB.

    Attributes:
        ignore_tmax: whether its `tmax` is wrong, so that the profile's default applies.
        ignore_at: whether its `at` is wrong, so that the profile's auction type applies.
        secure_by_default: whether an imp without `secure` needs https.
        no_loss_notice: whether it has no `lurl`, or refuses bids with one.
        no_win_notice: formats whose bids have no `nurl`, as the exchange takes it for something else: such a bid is
            charged by its billing notice.
        gzip_by_query: whether `gzip=1` in its URL announces a compressed body, as browsers must.
    """

    ignore_tmax: bool = False
    ignore_at: bool = False
    secure_by_default: bool = False
    no_loss_notice: bool = False
    no_win_notice: tuple[_Format, ...] = ()
    gzip_by_query: bool = False


class FirstOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order in which a caller looks for the format of a bid.

    Attributes:
        first: the formats; of those that an imp offers, only the first of them is bid.
    """

    first: Annotated[tuple[_Format, ...], msgspec.Meta(min_length=1)]


class UserSync(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an exchange learns our ids of its users.

    Attributes:
        hosts: hosts that `/sync/<name>` may redirect to, over https and with their port where it is not 443; none:
            the exchange has no user sync.
        macro: what stands for the id in the address that it sends.
    """

    hosts: tuple[_SyncHost, ...] = ()
    macro: _SyncMacro = "$UID"


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The profile of one exchange.

    Attributes:
        name: name of the exchange in paths, counters and limits.
        endpoint: its path besides `/openrtb2/bid/<name>`; empty: `/openrtb2/<name>`.
        keys: ids of its own API keys.
        version: OpenRTB version it speaks, sent in `x-openrtb-version`.
        currency: currency of requests without `cur`; empty: the platform's.
        auction_type: 1 first price, 2 second price, where a request has no `at`.
        network_allowance_ms: part of `tmax` spent on the network both ways.
        default_tmax_ms: time allowed where a request has no `tmax`; none: the platform's.
        qps: requests a second answered by all replicas together; 0: no limit.
        gzip: whether answers are compressed for callers that accept it.
        no_bid: `empty`: 204; `nbr`: 200 with the reason where there is one.
        own_reasons: whether reasons of our own (500 and up) are sent too.
        charge_on: notice that spends money; none: the platform's.
        pays_bid: whether the caller pays what was bid: addresses of notices hold the price signed, and no macro of it.
        bills_by_markup: whether video, audio and native markup holds the address that charges the bid.
        grace_seconds: seconds past a bid's `exp` in which its notices are honoured, and its money is held.
        formats: `first`: of an imp's formats only the first of banner, video, native, audio is bid, or of another
            order; a list: only these are.
        caller_converts: whether a request in a currency that there is no rate for may be answered in ours.
        key_in: where its API key may stand besides the headers: behind its endpoint, or as the parameter `key`.
        discounts: whether a winner may pay less than its bid in a first-price auction.
        notice_networks: addresses and networks that win, billing and loss notices may come from; none: all.
        price_keys: name of the keys that encrypt its prices; empty: prices are in the clear.
        price_macro: price macro of its notice URLs.
        seat_non_bid: whether responses say of imps without a bid that there is none (`ext.seatnonbid`).
        seller_domain: domain of its advertising system in ads.txt; empty: unknown.
        complete_chain: whether requests without a complete supply chain are refused.
        blocked_sellers: sellers from whom nothing is bought: the domain of a system, or `domain/account`.
        user_sync: how it learns our ids of its users.
        quirks: deviations from OpenRTB.
    """

    name: _Name
    endpoint: _Endpoint = ""
    keys: tuple[_KeyId, ...] = ()
    version: Literal["2.5", "2.6"] = "2.6"
    currency: _Currency = ""
    auction_type: Annotated[int, msgspec.Meta(ge=1, le=2)] = 2
    network_allowance_ms: _Milliseconds = 20
    default_tmax_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] | None = None
    qps: Annotated[float, msgspec.Meta(ge=0, le=10_000_000)] = 0.0
    gzip: bool = True
    no_bid: Literal["empty", "nbr"] = "empty"
    own_reasons: bool = False
    charge_on: Literal["bill", "win"] | None = None
    pays_bid: bool = False
    bills_by_markup: bool = False
    grace_seconds: Annotated[int, msgspec.Meta(ge=0, le=3_600)] = 0
    formats: Literal["first"] | Annotated[tuple[_Format, ...], msgspec.Meta(min_length=1)] | FirstOf | None = None
    caller_converts: bool = False
    key_in: Literal["header", "path", "parameter"] = "header"
    discounts: bool = False
    notice_networks: tuple[str, ...] = ()
    price_keys: _PriceKeys = ""
    price_macro: _Macro = AUCTION_PRICE
    seat_non_bid: bool = False
    seller_domain: _Domain = ""
    complete_chain: bool = False
    blocked_sellers: tuple[str, ...] = ()
    user_sync: UserSync = UserSync()
    quirks: Quirks = Quirks()

    def __post_init__(self) -> None:
        """Refuse rules that contradict each other.

        Raises:
            ValueError: the caller pays what was bid, or markup charges, and the price is another's to say.
        """
        if self.pays_bid and (self.discounts or self.price_keys or self.price_macro != AUCTION_PRICE):
            raise ValueError("pays_bid allows neither discounts nor price_keys nor a price_macro")
        if self.bills_by_markup and (self.price_keys or self.price_macro != AUCTION_PRICE):
            raise ValueError("bills_by_markup allows neither price_keys nor a price_macro")

    @property
    def path(self) -> str:
        """Path of its own endpoint."""
        return self.endpoint or f"/openrtb2/{self.name}"

    @property
    def number(self) -> int:
        """Number that stands for its name in tokens."""
        return number_of(self.name)

    def complete(self, request: BidRequest) -> None:
        """Fill in what the exchange's request leaves out, and correct what its quirks get wrong."""
        if self.quirks.ignore_tmax:
            request.tmax = None
        if self.quirks.ignore_at or not request.at:
            request.at = self.auction_type
        if self.pays_bid:
            request.at = _FIRST_PRICE
        if self.currency and not request.cur:
            request.cur = [self.currency]
        if self.quirks.secure_by_default:  # copied: decoded imps may be shared with other requests
            request.imp = [replace(imp, secure=1) if imp.secure is None else imp for imp in request.imp]

    def takes(self, imp: Imp) -> tuple[_Format, ...]:
        """Return the formats of an imp that may be bid, whether or not there is an ad for them."""
        offered: Sequence[_Format] = [kind for kind in _ORDER if getattr(imp, kind) is not None]
        if self.formats is None:
            return tuple(offered)
        if isinstance(self.formats, tuple):
            return tuple(kind for kind in offered if kind in self.formats)
        order = _ORDER if self.formats == "first" else self.formats.first
        return next(((kind,) for kind in order if kind in offered), ())

    def refusal(self, request: BidRequest) -> NoBid | None:
        """Return why a request is refused by the sellers in its supply chain; `None` where it is not."""
        if not (self.complete_chain or self.blocked_sellers):
            return None
        chain = chain_of(request.source)
        if self.complete_chain and not is_complete(chain):
            return NoBid.INCOMPLETE_CHAIN
        blocked = map(seller_name, self.blocked_sellers)
        return NoBid.BLOCKED_SELLER if not set(names_of(sellers_of(chain))).isdisjoint(blocked) else None

    def is_charged_by_win(self, kind: str, otherwise: str) -> bool:
        """Return whether the win notice of a bid of this format spends its money.

        Args:
            kind: format of the bid.
            otherwise: the platform's choice (`bill` or `win`), where the profile makes none.
        """
        if kind in self.quirks.no_win_notice or (self.bills_by_markup and kind in _BY_MARKUP):
            return False
        return (self.charge_on or otherwise) == "win"

    def finish(self, bid: Bid) -> None:
        """Adapt a bid to the exchange."""
        if self.quirks.no_loss_notice:
            bid.lurl = None
        if any(_MTYPES[kind] == bid.mtype for kind in self.quirks.no_win_notice):
            bid.nurl = None
        if self.price_macro != AUCTION_PRICE:
            bid.nurl = bid.nurl and bid.nurl.replace(AUCTION_PRICE, self.price_macro)
            bid.burl = bid.burl and bid.burl.replace(AUCTION_PRICE, self.price_macro)


GENERIC = Profile(name="generic")
"""The profile of an unknown exchange."""


@lru_cache(maxsize=4_096)
def number_of(name: str) -> int:
    """Return the 32-bit number, never 0, of an exchange's name or a key's id in tokens; the same everywhere."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4, person=b"number").digest(), "big") or 1


def key_id(secret: str) -> str:
    """Return the id of an API key in profiles: the beginning of its SHA-256 in hex, which reveals nothing of it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:12]
