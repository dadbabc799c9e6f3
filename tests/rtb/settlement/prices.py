"""Prices as an exchange encrypts them."""

from __future__ import annotations

import base64
import hmac
import struct

from rtb.settlement.encrypted_prices import PriceKeys


def encrypted(keys: PriceKeys, micros: int, at: float, rest: bytes = b"a server") -> str:
    """Return the message for a price, by the published scheme."""
    begin = struct.pack(">II", int(at), int(at % 1 * 1e6)) + rest
    price = micros.to_bytes(8, "big")
    pad = hmac.digest(keys.encryption, begin, "sha1")
    hidden = bytes(one ^ other for one, other in zip(price, pad, strict=False))
    proof = hmac.digest(keys.integrity, price + begin, "sha1")[:4]
    return base64.urlsafe_b64encode(begin + hidden + proof).decode().rstrip("=")
