"""IAB's Global Privacy Platform (GPP): the sections of a string by their ids."""

from __future__ import annotations

from rtb.privacy.bits import Bits, UnreadableConsent

TCF_EU, TCF_CANADA, US_PRIVACY = 2, 5, 6
"""Ids of the sections that are not those of `us_sections`."""

_TYPE, _VERSION = 3, 1


def split_gpp(text: str) -> dict[int, str]:
    """Return the sections of a GPP string, encoded, by their ids.

    Raises:
        UnreadableConsent: it is not a GPP string of version 1.
    """
    header, *sections = text.strip().split("~")
    bits = Bits(header)
    if bits.take(6) != _TYPE or bits.take(6) != _VERSION:
        raise UnreadableConsent("it is not a GPP string of version 1")
    ids = bits.fibonacci_ranges()
    count = sum(1 + last - first for first, last in ids.ranges)
    if count != len(sections):
        raise UnreadableConsent(f"its header lists {count} sections, and {len(sections)} follow")
    return dict(zip(ids.ids(), sections, strict=True))
