"""IAB Europe's TCF consent strings of version 2, and the variant of GPP for Canada.

Sources: "Transparency and Consent String with Global Vendor List Format", "TCF Policies" (2.2: purposes 3 to 6 need
consent), and GPP's section "TCF Canada". PyPI's packages for them are either unmaintained or decode to dictionaries in
hundreds of microseconds; the hot path needs four bits of a string.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import IntEnum
from typing import NamedTuple

from rtb.privacy.bits import Bits, IdSet, UnreadableConsent

STORE, BASIC_ADS, PERSONAL_ADS = 1, 2, 4
"""Purposes: to store or read information on a device; to select basic ads, which includes frequency capping; and to
select personalised ones."""

_CONSENT_ONLY = frozenset({1, 3, 4, 5, 6})
"""Purposes for which a legitimate interest is no legal basis."""

_EU_VERSION = 2  # strings of version 1 have not been valid since 2020
_CANADA_VERSION = 1


class RestrictionType(IntEnum):
    """What a publisher may demand of a purpose and vendor; in Canada express and implied consent take the places."""

    NOT_ALLOWED = 0
    CONSENT = 1
    LEGITIMATE_INTEREST = 2


class Restriction(NamedTuple):
    """A publisher's restriction of a purpose for some vendors.

    Attributes:
        purpose: number of the purpose.
        type: `RestrictionType`, or 3, which is undefined.
        vendors: ids of the vendors.
    """

    purpose: int
    type: int
    vendors: IdSet


class Vendors(NamedTuple):
    """The part of a consent string that is about vendors.

    Attributes:
        consents: vendors with consent (Canada: express consent).
        interests: vendors whose legitimate interest was not objected to (Canada: with implied consent).
        restrictions: the publisher's restrictions, in order.
    """

    consents: IdSet
    interests: IdSet
    restrictions: tuple[Restriction, ...]


class TcfConsent(NamedTuple):
    """The core segment of a consent string.

    Attributes:
        version: version of the format.
        created_ms: when it was made, Unix time in milliseconds.
        cmp: id of the consent management platform.
        policy: version of the policies that it was made under.
        is_service_specific: whether it is for one site or app; false in Canada, which has no such field.
        special_features: special features opted in to.
        consents: purposes with consent (Canada: express consent).
        interests: purposes whose legitimate interest was not objected to (Canada: with implied consent).
        is_purpose_one_treated: whether purpose 1 was not disclosed; false in Canada, which has no such field.
        rest: cursor at the part about vendors, which most requests do not need.
        is_canadian: whether it is Canada's.
    """

    version: int
    created_ms: int
    cmp: int
    policy: int
    is_service_specific: bool
    special_features: IdSet
    consents: IdSet
    interests: IdSet
    is_purpose_one_treated: bool
    rest: Bits
    is_canadian: bool = False

    def vendors(self) -> Vendors:
        """Return what the string says of vendors.

        Raises:
            UnreadableConsent: it cannot be read.
        """
        if not self.is_canadian:
            return _vendors(self.rest.fork())
        try:
            return _padded(_canadian_vendors, self.rest.fork())
        except UnreadableConsent:  # former encoders wrote these numbers as Europe's
            return _padded(_vendors, self.rest.fork())

    def permitted(self, purposes: Collection[int], vendor: int) -> frozenset[int]:
        """Return which of these purposes are allowed to a vendor.

        Args:
            purposes: numbers of the purposes.
            vendor: id in the Global Vendor List; 0: not registered, so that the consents to the purposes decide.

        Raises:
            UnreadableConsent: the part about vendors is needed and cannot be read.
        """
        if not vendor:
            implied = self.interests if self.is_canadian else _NOBODY
            return frozenset(one for one in purposes if self.consents.has(one) or implied.has(one))
        vendors = self.vendors()
        return frozenset(one for one in purposes if self._has_basis(one, vendor, vendors))

    def _has_basis(self, purpose: int, vendor: int, vendors: Vendors) -> bool:
        """Return whether a vendor has a legal basis for a purpose that the publisher accepts."""
        types = {one.type for one in vendors.restrictions if one.purpose == purpose and one.vendors.has(vendor)}
        if vendors.consents.has(vendor) and self.consents.has(purpose) and types <= {RestrictionType.CONSENT}:
            return True
        suffices = self.is_canadian or purpose not in _CONSENT_ONLY
        by_interest = suffices and vendors.interests.has(vendor) and self.interests.has(purpose)
        return by_interest and types <= {RestrictionType.LEGITIMATE_INTEREST}


_NOBODY = IdSet()


def decode_tcf(text: str) -> TcfConsent:
    """Return the core segment of a European consent string.

    Raises:
        UnreadableConsent: it is not a consent string of version 2.
    """
    bits, version, created_ms, cmp, policy = _begun(text, _EU_VERSION)
    is_service_specific = bool(bits.take(1))
    bits.take(1)  # non-standard texts
    special_features, consents, interests = bits.flags(12), bits.flags(24), bits.flags(24)
    is_treated = bool(bits.take(1))
    bits.take(12)  # the publisher's country
    told = (special_features, consents, interests, is_treated)
    return TcfConsent(version, created_ms, cmp, policy, is_service_specific, *told, bits)


def decode_tcf_canada(text: str) -> TcfConsent:
    """Return the core segment of GPP's section for Canada.

    Raises:
        UnreadableConsent: it is not a consent string of version 1.
    """
    bits, version, created_ms, cmp, policy = _begun(text, _CANADA_VERSION)
    bits.take(1)  # non-standard texts
    told = (bits.flags(12), bits.flags(24), bits.flags(24), False)
    return TcfConsent(version, created_ms, cmp, policy, False, *told, bits, is_canadian=True)


def _begun(text: str, version: int) -> tuple[Bits, int, int, int, int]:
    """Return what both formats begin with: version, creation, platform and policy; and the cursor behind it."""
    bits = Bits(text.strip().partition(".")[0])
    if bits.take(6) != version:
        raise UnreadableConsent(f"it is not of version {version}")
    created_ms = bits.take(36) * 100
    bits.take(36)  # last updated
    cmp = bits.take(12)
    bits.take(12 + 6 + 12 + 12)  # version of the platform, screen, language, version of the vendor list
    return bits, version, created_ms, cmp, bits.take(6)


def _vendors(bits: Bits) -> Vendors:
    consents, interests = bits.optimized(Bits.ranges), bits.optimized(Bits.ranges)
    restrictions = tuple(Restriction(bits.take(6), bits.take(2), bits.ranges()) for _ in range(bits.take(12)))
    return Vendors(consents, interests, restrictions)


def _canadian_vendors(bits: Bits) -> Vendors:
    def ids() -> IdSet:
        return bits.optimized(Bits.fibonacci_ranges, is_exact=True)

    consents, interests = ids(), ids()
    restrictions = tuple(Restriction(bits.take(6), bits.take(2), ids()) for _ in range(bits.take(12)))
    return Vendors(consents, interests, restrictions)


def _padded(read: Callable[[Bits], Vendors], bits: Bits) -> Vendors:
    """Return what a reader reads, provided that nothing is left: the other way of writing would leave some."""
    found = read(bits)
    if not bits.is_padding():
        raise UnreadableConsent("something follows the restrictions")
    return found
