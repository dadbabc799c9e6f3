"""Signed tokens in notice URLs: what any replica needs to settle a bid it never saw.

A token names the bid (lease and sequence number), its campaign and creative, the ceiling, the expiry and the user's
key, and is signed, so that a forged one costs nothing. Notices of money (win, bill, loss) and notices a browser
carries (click, conversion) are signed apart: who sees a click URL cannot make a billing URL of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a notice says."""

    WIN = "win"
    BILL = "bill"
    LOSS = "loss"
    CLICK = "click"
    CONVERSION = "conversion"


_GROUP = {
    Kind.WIN: b"money",
    Kind.BILL: b"money",
    Kind.LOSS: b"money",
    Kind.CLICK: b"click",
    Kind.CONVERSION: b"conversion",
}
_DAY = 86_400
GRACE = {Kind.CLICK: _DAY, Kind.CONVERSION: 30 * _DAY}
"""Seconds past a bid's expiry that its user's notices still count: people click late and buy later."""

_LAYOUT = struct.Struct(">BQIIHQIQ")  # id of the signing key, then a BidRef but for its rate
_RATE = struct.Struct(">d")  # follows where the bid was in another currency
_MAC_BYTES = 12

TEST_LEASE = 0
"""The lease of bids that answer test requests; no real one has this number."""


class BidRef(NamedTuple):
    """What a token says of its bid.

    Attributes:
        lease: number of the lease its money comes from.
        sequence: of the bid within its lease; lease and sequence are the bid's identity.
        campaign: account its money is in: the campaign's number, or its arm's (`rtb.accounts`).
        creative: place of the creative in its campaign.
        ceiling_micros: what was bid for the impression: the most it can cost.
        expires: Unix second after which money notices are not honoured.
        user: key of who saw it (`Signer.user_key`), 0 when nobody may or need know.
        rate: units of the bid's currency that one unit of ours was worth: prices in notices are in the bid's.
    """

    lease: int
    sequence: int
    campaign: int
    creative: int
    ceiling_micros: int
    expires: int
    user: int = 0
    rate: float = 1.0

    @property
    def is_test(self) -> bool:
        """Whether the bid answered a request with `test` set: no money is held for it, and nothing of it counts."""
        return self.lease == TEST_LEASE

    @property
    def bid_id(self) -> str:
        """The bid's id as sent to the exchange."""
        return f"{self.lease:016x}-{self.sequence:x}"


class NoticeTimes(NamedTuple):
    """Seconds from a bid to the last moment its money notices are honoured, by what is sold.

    Attributes:
        web: a banner on a page, shown as soon as it is sold.
        app: a banner in an app or on a screen in public, often fetched ahead.
        native: a native advertisement.
        interstitial: what fills the screen at the next break, which may be long in coming.
    """

    web: float = 60.0
    app: float = 300.0
    native: float = 600.0
    interstitial: float = 1_800.0

    def of(self, inventory: str, *, interstitial: bool = False, native: bool = False) -> float:
        """Seconds for an impression on `site`, `app`, `dooh` or unknown (empty) inventory."""
        if interstitial:
            return self.interstitial
        if native:
            return self.native
        return self.app if inventory in ("app", "dooh") else self.web


def counts_until(ref: BidRef, kind: Kind) -> int:
    """Unix second after which a notice of this kind is not counted any more."""
    return ref.expires + GRACE.get(kind, 0)


class TokenError(ValueError):
    """Not a token of ours."""


class Signer:
    """Makes and reads tokens.

    To change the secret without losing notices on their way: put the new one first everywhere, keep the old one as a
    previous one until its tokens have expired (a month, for conversions).

    Args:
        secret: signs; shared by all replicas, at least 16 characters.
        previous: secrets whose tokens are still read.

    Raises:
        ValueError: a secret is too short.
    """

    def __init__(self, secret: str, *previous: str) -> None:
        if any(len(one) < 16 for one in (secret, *previous)):
            raise ValueError("a notice secret is shorter than 16 characters: set a longer RAYBID_NOTICE_SECRET")
        keys = [hashlib.blake2b(one.encode(), digest_size=32).digest() for one in (secret, *previous)]
        self._key = keys[0]
        self._keys = [(_key_id(key), key) for key in keys]
        self._begun = {kind: _hash(self._key, kind) for kind in Kind}  # keyed once, copied for each token

    def sign(self, ref: BidRef, kind: Kind) -> str:
        """A URL-safe token; the same for all notices of money of one bid."""
        payload = _LAYOUT.pack(self._keys[0][0], *ref[:-1])
        if ref.rate != 1.0:
            payload += _RATE.pack(ref.rate)
        mac = self._begun[kind].copy()
        mac.update(payload)
        return base64.urlsafe_b64encode(payload + mac.digest()).decode().rstrip("=")

    def user_key(self, user: str) -> int:
        """A number that stands for a user and that nobody can turn back without the secret; 0 for the empty id."""
        if not user:
            return 0
        digest = hashlib.blake2b(user.encode(), key=self._key, digest_size=8, person=b"user").digest()
        return int.from_bytes(digest, "big") or 1

    def read(self, token: str, kind: Kind) -> BidRef:
        """What a token of this kind says.

        Raises:
            TokenError: forged, damaged, or signed for another kind of notice.
        """
        try:
            blob = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError) as error:
            raise TokenError("the token is not base64") from error
        payload, mac = blob[:-_MAC_BYTES], blob[-_MAC_BYTES:]
        fixed, rate = payload[: _LAYOUT.size], payload[_LAYOUT.size :]
        if len(fixed) != _LAYOUT.size or len(rate) not in (0, _RATE.size) or not self._is_ours(payload, mac, kind):
            raise TokenError("the token's signature does not match")
        ref = BidRef(*_LAYOUT.unpack(fixed)[1:])
        return ref._replace(rate=_RATE.unpack(rate)[0]) if rate else ref

    def _is_ours(self, payload: bytes, mac: bytes, kind: Kind) -> bool:
        """Two secrets may share an id, so all with it are tried."""
        keys = (key for key_id, key in self._keys if key_id == payload[0])
        return any(hmac.compare_digest(mac, _mac(key, payload, kind)) for key in keys)


def _key_id(key: bytes) -> int:
    """A byte that says which secret signed, and nothing else about it."""
    return hashlib.blake2b(key, digest_size=1, person=b"key id").digest()[0]


def _mac(key: bytes, payload: bytes, kind: Kind) -> bytes:
    mac = _hash(key, kind)
    mac.update(payload)
    return mac.digest()


def _hash(key: bytes, kind: Kind) -> hashlib.blake2b:
    return hashlib.blake2b(key=key, digest_size=_MAC_BYTES, person=_GROUP[kind])
