"""What is particular to an exchange, as data: one YAML file each, so that adding one needs no code.

The files shipped lie beside this module; a folder of yours (`RAYBID_EXCHANGES_DIR`) adds to them, and a file there
that has the name of a shipped profile replaces it. `docs/exchanges.md` describes every field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import yaml

from rtb.openrtb import Bid, BidRequest
from rtb.openrtb.macros import AUCTION_PRICE

SHARED_ENDPOINT = "/openrtb2/bid"
"""Where any exchange may POST; `/openrtb2/bid/<name>` names one."""

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}\Z")]
_Endpoint = Annotated[str, msgspec.Meta(pattern=r"^(/openrtb2/[a-z0-9_/-]{1,64})?\Z")]
_Currency = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{3})?\Z")]
_KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{12}\Z")]
_PriceKeys = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{0,32}\Z")]
_Macro = Annotated[str, msgspec.Meta(pattern=r"^[$%{][A-Za-z0-9_:${}%-]{1,62}[}%]\Z")]
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=60_000)]


Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_Claimed = TypeVar("_Claimed", str, int)


class ExchangeError(ValueError):
    """A profile that cannot be used; the message names file and field."""


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an exchange does unlike OpenRTB says.

    Attributes:
        ignore_tmax: its `tmax` does not say how long it waits: the profile's default does.
        ignore_at: its `at` is wrong: the profile's auction type holds.
        secure_by_default: an imp that does not say `secure` needs https.
        no_loss_notice: it knows no `lurl`, or refuses bids with one.
    """

    ignore_tmax: bool = False
    ignore_at: bool = False
    secure_by_default: bool = False
    no_loss_notice: bool = False


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One exchange.

    Attributes:
        name: of the exchange, in paths, counters and limits.
        endpoint: its path besides `/openrtb2/bid/<name>`; empty: `/openrtb2/<name>`.
        keys: ids of the API keys that are its own.
        version: of OpenRTB it speaks, told in `x-openrtb-version`.
        currency: its requests are in when they carry no `cur`; empty: the platform's.
        auction_type: 1 first price, 2 second price, when a request does not say.
        network_allowance_ms: part of `tmax` that goes into the way here and back.
        default_tmax_ms: time allowed when a request does not say; none: the platform's.
        qps: requests a second answered, all replicas together; 0: no limit.
        gzip: whether answers are compressed for callers that accept it.
        no_bid: `empty`: 204; `nbr`: 200 with the reason where there is one to tell.
        own_reasons: whether reasons of our own (500 and up) are told, too.
        charge_on: the notice that spends money; none: the platform's.
        discounts: whether a winner may pay less than its bid in a first-price auction; else it pays its bid.
        notice_networks: addresses and networks that win, billing and loss notices may come from; none: all.
        price_keys: name of the keys that it encrypts prices with; empty: prices are in the clear.
        price_macro: stands for the price in its notice URLs.
        quirks: what it does unlike OpenRTB says.
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
    discounts: bool = False
    notice_networks: tuple[str, ...] = ()
    price_keys: _PriceKeys = ""
    price_macro: _Macro = AUCTION_PRICE
    quirks: Quirks = Quirks()

    @property
    def path(self) -> str:
        """Its own endpoint."""
        return self.endpoint or f"/openrtb2/{self.name}"

    @property
    def number(self) -> int:
        """What its name is in tokens."""
        return number_of(self.name)

    def complete(self, request: BidRequest) -> None:
        """Say for the exchange what its request leaves unsaid, and what its quirks say wrong."""
        if self.quirks.ignore_tmax:
            request.tmax = None
        if self.quirks.ignore_at or not request.at:
            request.at = self.auction_type
        if self.currency and not request.cur:
            request.cur = [self.currency]
        if self.quirks.secure_by_default:
            for imp in request.imp:
                imp.secure = 1 if imp.secure is None else imp.secure

    def finish(self, bid: Bid) -> None:
        """Make a bid what the exchange takes."""
        if self.quirks.no_loss_notice:
            bid.lurl = None
        if self.price_macro != AUCTION_PRICE:
            bid.nurl = bid.nurl and bid.nurl.replace(AUCTION_PRICE, self.price_macro)
            bid.burl = bid.burl and bid.burl.replace(AUCTION_PRICE, self.price_macro)


GENERIC = Profile(name="generic")
"""An exchange of which nothing particular is known."""


class Exchanges:
    """All profiles, and which of them a request belongs to.

    Args:
        profiles: with names, endpoints and keys of their own.

    Raises:
        ExchangeError: two share one, or a network is none.
    """

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self._profiles = list(profiles)
        self._by_path: dict[str, Profile] = {}
        self._by_key: dict[str, Profile] = {}
        self._by_number: dict[int, Profile] = {}
        self._networks: dict[int, list[Network]] = {}
        for profile in self._profiles:
            self._networks[profile.number] = [_network(one, profile) for one in profile.notice_networks]
            _claim(self._by_number, profile.number, profile, "number")
            for path in (f"{SHARED_ENDPOINT}/{profile.name}", profile.path):
                _claim(self._by_path, path, profile, "endpoint")
            for key in profile.keys:
                _claim(self._by_key, key, profile, "key")

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._profiles)

    def has(self, path: str) -> bool:
        """Whether requests may come here."""
        return path == SHARED_ENDPOINT or path in self._by_path

    def numbered(self, number: int) -> Profile:
        """The exchange that a token names; one that has no profile, or none any more, is `GENERIC`."""
        return self._by_number.get(number, GENERIC)

    def may_notify(self, number: int, address: Address | None) -> bool:
        """Whether notices of money of this exchange may come from here; of one that names no networks from anywhere."""
        networks = self._networks.get(number)
        return not networks or (address is not None and any(address in network for network in networks))

    def of_key(self, key: str) -> Profile:
        """The exchange whose key this is, by its id; a key that no profile lists is any exchange's: `GENERIC`."""
        return self._by_key.get(key, GENERIC)

    def of(self, path: str, key: str = "") -> Profile | None:
        """The exchange of a request, `None` where there is none.

        At the shared endpoint it is the key's, if an exchange has it; else the path says it. A key that is another
        exchange's than the path's has none.

        Args:
            path: the request's, without a query.
            key: id of its API key, or empty.
        """
        named, owner = self._by_path.get(path), self._by_key.get(key)
        if path == SHARED_ENDPOINT:
            return owner or named or GENERIC
        return named if owner is None or owner is named else None


def load(folder: Path | None = None) -> Exchanges:
    """The profiles shipped, and those in a folder.

    Raises:
        ExchangeError: one of them cannot be used.
    """
    shipped = _read_all(resources.files("rtb.exchanges"))
    if folder is None:
        return Exchanges(shipped.values())
    if not folder.is_dir():
        raise ExchangeError(f"RAYBID_EXCHANGES_DIR is no folder: {folder}")
    return Exchanges((shipped | _read_all(folder)).values())


@lru_cache(maxsize=4_096)
def number_of(name: str) -> int:
    """The 32-bit number, never 0, that stands for an exchange's name or a key's id in tokens; the same everywhere."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4, person=b"number").digest(), "big") or 1


def key_id(secret: str) -> str:
    """What names an API key in a profile and gives nothing of it away: the beginning of its SHA-256, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _read_all(folder: Traversable) -> dict[str, Profile]:
    found: dict[str, Profile] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith((".yaml", ".yml")):
            profile = _read(file)
            _claim(found, profile.name, profile, f"{file}: name")
    return found


def _read(file: Traversable) -> Profile:
    try:
        raw: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        return msgspec.convert(raw, Profile)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ExchangeError(f"{file}: {error}") from error


def _network(text: str, profile: Profile) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ExchangeError(f"{profile.name}: notice_networks: {error}") from error


def _claim(taken: dict[_Claimed, Profile], what: _Claimed, profile: Profile, kind: str) -> None:
    owner = taken.setdefault(what, profile)
    if owner is not profile:
        raise ExchangeError(f"{kind} {what} belongs to two exchanges: {owner.name} and {profile.name}")
