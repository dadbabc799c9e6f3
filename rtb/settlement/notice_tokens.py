"""Tokens in notice URLs: they let any replica settle a bid that it never saw.

A token holds a `BidRef`, encrypted and authenticated (AES-SIV, RFC 5297), so that a URL reveals nothing to its readers,
who cannot make another from it. Each kind of notice has a key of its own: the token of a click charges nothing. Tokens
of the former layout are still read; the version is authenticated with the token, so one layout is never misread as the
other.

Everything that decides about money is inside the token: callers rewrite, escape and cut what follows it in the URL.

AES-SIV needs no nonce: bids that are tests have no identity of their own, and random nonces of 96 bits repeat within
weeks at thousands of bids a second. Equal bids have equal tokens, which reveals no more than their ids do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Kind(StrEnum):
    """The kinds of notices."""

    WIN = "win"
    BILL = "bill"
    LOSS = "loss"
    CLICK = "click"
    CONVERSION = "conversion"


_DAY = 86_400
USERS = (Kind.CLICK, Kind.CONVERSION)
"""Notices of user actions; the others come from the exchange."""

GRACE = {Kind.CLICK: _DAY, Kind.CONVERSION: 30 * _DAY}
"""Seconds past a bid's expiry in which notices of user actions still count: people click late and buy later."""

_VERSION = b"2"
_LAYOUT = struct.Struct(">QIIQQIIQIQI3sB")  # a BidRef without its optional parts; flags last
_RATE = struct.Struct(">d")  # appended where the bid was in another currency
_QUANTITY = struct.Struct(">d")  # appended where one sale is not one impression
_FIRST_PRICE, _CHARGED_BY_WIN, _CONVERTED, _COUNTED_OTHERWISE, _SIGNED_PRICE = 1, 2, 4, 8, 16

_FORMER = struct.Struct(">QIIHQIQIQIB")
"""The layout before version 2: a creative by its index in the campaign, no currency, no time, no quantity."""

_OF_ID = 1 << 63
_TAG_BYTES = 16
_LANDING_BYTES = 4 * 255
"""Most bytes of a landing page, which has at most 255 characters."""

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

TEST_LEASE = 0
"""Lease number of bids on test requests; no real lease has it."""


class BidRef(NamedTuple):
    """The content of a token: all that settling its bid needs.

    Attributes:
        lease: number of the lease that holds its money.
        sequence: number of the bid within its lease; lease and sequence identify the bid.
        campaign: account of its money: the campaign's number, or its arm's (`rtb.money.accounts`).
        creative: number of the creative's id (`creative_number`); in former tokens its index in the campaign.
        ceiling_micros: the most that the bid can cost: the price of one impression times the quantity.
        expires: Unix second after which money notices are not honoured.
        user: key of the user (`rtb.targeting.users`); 0 where there is none or it is not needed.
        rate: units of the bid's currency that one unit of ours was worth: prices in notices are in the bid's.
        exchange: number of the exchange (`rtb.exchanges.number_of`).
        floor_micros: the least that one impression can cost.
        caller: number of the API key of the request (`rtb.exchanges.number_of` its id); 0: it came without one.
        first_price: whether the winner pays its bid.
        charged_by_win: whether its win notice spends the money; else its billing notice does.
        currency: currency of the bid (ISO 4217); empty in former tokens.
        made: Unix second of the bid; 0 in former tokens.
        quantity: impressions that one sale stands for (`imp.qty.multiplier`).
        landing: landing page at the time of the bid; only the token of a click holds it.
        signed_price: whether its ceiling is its price, which no parameter of a notice changes.
    """

    lease: int
    sequence: int
    campaign: int
    creative: int
    ceiling_micros: int
    expires: int
    user: int = 0
    rate: float = 1.0
    exchange: int = 0
    floor_micros: int = 0
    caller: int = 0
    first_price: bool = False
    charged_by_win: bool = False
    currency: str = ""
    made: int = 0
    quantity: float = 1.0
    landing: str = ""
    signed_price: bool = False

    @property
    def charged_by(self) -> Kind:
        """The notice that spends its money."""
        return Kind.WIN if self.charged_by_win else Kind.BILL

    @property
    def is_test(self) -> bool:
        """Whether the bid answered a request with `test` set: no money is reserved for it, and nothing of it counts."""
        return self.lease == TEST_LEASE

    @property
    def bid_id(self) -> str:
        """The bid's id as sent to the exchange."""
        return f"{self.lease:016x}-{self.sequence:x}"


def creative_number(id: str) -> int:
    """Return the number of a creative's id in tokens: never as small as an index, so neither is taken for the other."""
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "big") | _OF_ID


def counts_until(ref: BidRef, kind: Kind) -> int:
    """Return the Unix second after which a notice of this kind no longer counts."""
    return ref.expires + GRACE.get(kind, 0)


class TokenError(ValueError):
    """Not a token of ours."""


class Signer:
    """The maker and reader of tokens.

    To rotate the secret without losing outstanding notices: put the new one first everywhere, and keep the old one as a
    previous one until its tokens have expired (a month, for conversions).

    Args:
        secret: secret from which the keys are derived; shared by all replicas, at least 16 characters.
        previous: secrets whose tokens are still read.

    Raises:
        ValueError: a secret is too short.
    """

    def __init__(self, secret: str, *previous: str) -> None:
        if any(len(one) < 16 for one in (secret, *previous)):
            raise ValueError("a notice secret is shorter than 16 characters: set a longer RAYBID_NOTICE_SECRET")
        self._ciphers = {kind: [AESSIV(_key(one, kind)) for one in (secret, *previous)] for kind in Kind}

    def sign(self, ref: BidRef, kind: Kind) -> str:
        """Return a URL-safe token for one kind of notice."""
        return self.sign_all(ref, (kind,))[0]

    def sign_all(self, ref: BidRef, kinds: Iterable[Kind]) -> list[str]:
        """Return a token for each of several kinds."""
        payload, ciphers, landing = _packed(ref), self._ciphers, ref.landing.encode()
        return [
            _encoded(ciphers[kind][0].encrypt(payload + landing if kind is Kind.CLICK else payload, _BOUND))
            for kind in kinds
        ]

    def read(self, token: str, kind: Kind) -> BidRef:
        """Return the content of a token of this kind.

        Raises:
            TokenError: the token is forged, damaged, not canonical base64, or of another kind of notice.
        """
        try:
            blob = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError) as error:
            raise TokenError("the token is not base64") from error
        if _encoded(blob) != token:
            raise TokenError("the token is not base64 as it is written here")
        if not _SHORTEST <= len(blob) <= _LONGEST:
            raise TokenError("the token is not as long as one of ours")
        for cipher in self._ciphers[kind]:
            for bound, unpacked in _VERSIONS:
                try:
                    payload = cipher.decrypt(blob, bound)
                except InvalidTag:
                    continue
                return unpacked(payload)
        raise TokenError(f"the token is not one that was made here for a {kind} notice")


def _key(secret: str, kind: Kind) -> bytes:
    return HKDF(SHA512(), 64, salt=None, info=f"raybid {kind} notice".encode()).derive(secret.encode())


def _encoded(blob: bytes) -> str:
    return binascii.b2a_base64(blob, newline=False).translate(_URL_SAFE, b"=").decode()


def _packed(ref: BidRef) -> bytes:
    """Return the bytes of a bid without its landing page."""
    whole, rate, terms = ref[:7], ref.rate, (ref.exchange, ref.floor_micros, ref.caller)
    flags = _FIRST_PRICE * ref.first_price | _CHARGED_BY_WIN * ref.charged_by_win
    flags |= _CONVERTED * (rate != 1.0) | _COUNTED_OTHERWISE * (ref.quantity != 1.0) | _SIGNED_PRICE * ref.signed_price
    payload = _LAYOUT.pack(*whole[:6], ref.made, whole[6], *terms, ref.currency.encode(), flags)
    if rate != 1.0:
        payload += _RATE.pack(rate)
    return payload if ref.quantity == 1.0 else payload + _QUANTITY.pack(ref.quantity)


def _unpacked(payload: bytes) -> BidRef:
    *whole, made, user, exchange, floor_micros, caller, currency, flags = _LAYOUT.unpack_from(payload)
    place, rate, quantity = _LAYOUT.size, 1.0, 1.0
    if flags & _CONVERTED:
        (rate,), place = _RATE.unpack_from(payload, place), place + _RATE.size
    if flags & _COUNTED_OTHERWISE:
        (quantity,), place = _QUANTITY.unpack_from(payload, place), place + _QUANTITY.size
    is_flagged = (bool(flags & _FIRST_PRICE), bool(flags & _CHARGED_BY_WIN))
    terms = (user, rate, exchange, floor_micros, caller, *is_flagged)
    code, landing = currency.rstrip(b"\0").decode(), payload[place:].decode()
    return BidRef._make((*whole, *terms, code, made, quantity, landing, bool(flags & _SIGNED_PRICE)))


def _unpacked_former(payload: bytes) -> BidRef:
    *whole, exchange, floor_micros, caller, flags = _FORMER.unpack_from(payload)
    rate = _RATE.unpack_from(payload, _FORMER.size)[0] if len(payload) > _FORMER.size else 1.0
    is_flagged = (bool(flags & _FIRST_PRICE), bool(flags & _CHARGED_BY_WIN))
    return BidRef._make((*whole, rate, exchange, floor_micros, caller, *is_flagged, "", 0, 1.0, "", False))


_BOUND = [_VERSION]
_VERSIONS = ((_BOUND, _unpacked), (None, _unpacked_former))
_SHORTEST = _TAG_BYTES + _FORMER.size
_LONGEST = _TAG_BYTES + _LAYOUT.size + _RATE.size + _QUANTITY.size + _LANDING_BYTES
