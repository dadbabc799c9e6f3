"""IAB Europe's TCF consent strings: which purposes a user consented to.

Only the purposes in the core segment are read ("Transparency and Consent String with Global Vendor List Format",
version 2). Consent for single vendors is not: this bidder's operator need not be a registered vendor.
"""

from __future__ import annotations

import base64
import binascii

_VERSION = 2  # strings of version 1 have not been valid since 2020
_VERSION_BITS = 6
_PURPOSES_AT = 152  # the first bit of `PurposesConsent`
_PURPOSES = 24
_LEAST_BITS = 213  # up to `PublisherCC`, which every core segment has


def consented_purposes(consent: str) -> frozenset[int]:
    """Return the numbers of the purposes consented to; none where it is not a consent string of version 2."""
    core = consent.strip().split(".")[0]
    try:
        blob = base64.urlsafe_b64decode(core + "=" * (-len(core) % 4))
    except (binascii.Error, ValueError):
        return frozenset()
    length = 8 * len(blob)
    if length < _LEAST_BITS:
        return frozenset()
    bits = int.from_bytes(blob, "big")
    if bits >> (length - _VERSION_BITS) != _VERSION:
        return frozenset()
    purposes = (bits >> (length - _PURPOSES_AT - _PURPOSES)) & ((1 << _PURPOSES) - 1)
    return frozenset(n + 1 for n in range(_PURPOSES) if purposes >> (_PURPOSES - 1 - n) & 1)
