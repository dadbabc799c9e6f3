"""Clearing prices that an exchange encrypts, by the scheme that Google and OpenX publish.

A message is 28 bytes in web-safe base64 without padding: an initialisation vector of 16 that begins with its time, 8 of
the price XOR a pad, and a signature of 4. Pad and signature are the beginnings of HMAC-SHA1s under two keys of the
exchange. The price is that of one impression in micros of the bid's currency: 5,000 at a CPM of 5.

Sources: developers.google.com/authorized-buyers/rtb/response-guide/decrypt-price (scheme, test vectors, time),
support.google.com/authorizedbuyers/answer/3187591 (unit), docs.openx.com/demand-partners/openrtb-win-notification.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import NamedTuple

_MESSAGE = re.compile(r"[A-Za-z0-9_-]{38}\Z", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{64}\Z", re.ASCII)
_KEY_BYTES = 32


class EncryptedPriceError(ValueError):
    """A message that the keys do not decrypt, or invalid keys."""


class EncryptedPrice(NamedTuple):
    """A decrypted price.

    Attributes:
        micros: price of one impression in the bid's currency.
        at: Unix second of the encryption.
    """

    micros: int
    at: int


class PriceKeys(NamedTuple):
    """The two keys of an exchange.

    Attributes:
        encryption: key of the pad, 32 bytes.
        integrity: key of the signature, 32 bytes.
    """

    encryption: bytes
    integrity: bytes

    def decrypt(self, message: str) -> EncryptedPrice:
        """Return the price in a message.

        Raises:
            EncryptedPriceError: it was not encrypted with these keys.
        """
        if not _MESSAGE.match(message):
            raise EncryptedPriceError("the price is not encrypted: expected 38 characters of web-safe base64")
        blob = base64.urlsafe_b64decode(message + "==")
        begin, hidden, proof = blob[:16], blob[16:24], blob[24:]
        pad = hmac.digest(self.encryption, begin, "sha1")
        price = bytes(one ^ other for one, other in zip(hidden, pad, strict=False))
        if not hmac.compare_digest(hmac.digest(self.integrity, price + begin, "sha1")[:4], proof):
            raise EncryptedPriceError("the price was not encrypted with this exchange's keys")
        return EncryptedPrice(int.from_bytes(price, "big"), int.from_bytes(begin[:4], "big"))


def read_price_keys(text: str) -> dict[str, PriceKeys]:
    """Return keys by name from comma-separated `name:encryption:integrity`; keys are in hex or web-safe base64.

    Raises:
        EncryptedPriceError: a part is invalid; the message does not repeat it.
    """
    found: dict[str, PriceKeys] = {}
    for number, part in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
        name, *keys = part.split(":")
        if len(keys) != 2 or not name or name in found:
            raise EncryptedPriceError(
                f"part {number} of the price keys is not name:encryption:integrity, each name once"
            )
        found[name] = PriceKeys(*(_key(key, name) for key in keys))
    return found


def _key(text: str, name: str) -> bytes:
    try:
        key = bytes.fromhex(text) if _HEX.match(text) else base64.b64decode(_padded(text), b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise EncryptedPriceError(f"a price key of {name!r} is not 32 bytes in hex or web-safe base64")
    return key


def _padded(text: str) -> str:
    bare = text.rstrip("=")
    return bare + "=" * (-len(bare) % 4)
