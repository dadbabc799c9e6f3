"""Signed tokens in notice URLs: what any replica needs to settle a bid it never saw.

A token names the bid (lease and sequence number), its campaign and creative, the ceiling and the expiry, and is
signed, so that a forged one costs nothing. Notices of money (win, bill, loss) and notices a browser carries (click,
conversion) are signed apart: who sees a click URL cannot make a billing URL of it.
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

_LAYOUT = struct.Struct(">QIIHQI")
_MAC_BYTES = 12


class BidRef(NamedTuple):
    """What a token says of its bid.

    Attributes:
        lease: number of the lease its money comes from.
        sequence: of the bid within its lease; lease and sequence are the bid's identity.
        campaign: number of the campaign.
        creative: place of the creative in its campaign.
        ceiling_micros: what was bid for the impression: the most it can cost.
        expires: Unix second after which money notices are not honoured.
    """

    lease: int
    sequence: int
    campaign: int
    creative: int
    ceiling_micros: int
    expires: int

    @property
    def bid_id(self) -> str:
        """The bid's id as sent to the exchange."""
        return f"{self.lease:016x}-{self.sequence:x}"


def counts_until(ref: BidRef, kind: Kind) -> int:
    """Unix second after which a notice of this kind is not counted any more."""
    return ref.expires + GRACE.get(kind, 0)


class TokenError(ValueError):
    """Not a token of ours."""


class Signer:
    """Makes and reads tokens.

    Args:
        secret: shared by all replicas, at least 16 characters.
    """

    def __init__(self, secret: str) -> None:
        if len(secret) < 16:
            raise ValueError("the notice secret is shorter than 16 characters: set a longer RAYBID_NOTICE_SECRET")
        self._key = hashlib.blake2b(secret.encode(), digest_size=32).digest()

    def sign(self, ref: BidRef, kind: Kind) -> str:
        """A URL-safe token; the same for all notices of money of one bid."""
        payload = _LAYOUT.pack(*ref)
        return base64.urlsafe_b64encode(payload + self._mac(payload, kind)).decode().rstrip("=")

    def read(self, token: str, kind: Kind) -> BidRef:
        """What a token of this kind says.

        Raises:
            TokenError: forged, damaged, or signed for another kind of notice.
        """
        try:
            blob = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError) as error:
            raise TokenError("the token is not base64") from error
        payload, mac = blob[: _LAYOUT.size], blob[_LAYOUT.size :]
        if len(payload) != _LAYOUT.size or not hmac.compare_digest(mac, self._mac(payload, kind)):
            raise TokenError("the token's signature does not match")
        return BidRef(*_LAYOUT.unpack(payload))

    def _mac(self, payload: bytes, kind: Kind) -> bytes:
        return hashlib.blake2b(payload, key=self._key, digest_size=_MAC_BYTES, person=_GROUP[kind]).digest()
