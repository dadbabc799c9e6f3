"""ads.txt and app-ads.txt (IAB Tech Lab, version 1.1): whom a publisher authorises to sell its inventory."""

from __future__ import annotations

from dataclasses import dataclass

from rtb.openrtb.domains import domain
from rtb.openrtb.supply_chain import Seller

_RELATIONSHIPS = ("direct", "reseller")
_FIELDS = 3
_NOBODY = "placeholder.example.com"
"""System in the record of a publisher that authorises nobody."""


class SellersError(ValueError):
    """A list of sellers that cannot be used."""


@dataclass(frozen=True)
class AdsTxt:
    """The sellers that a publisher authorises.

    Attributes:
        sellers: authorised sellers.
    """

    sellers: frozenset[Seller]


def read_ads_txt(text: bytes) -> AdsTxt:
    """Return the sellers in an ads.txt or app-ads.txt. Lines that are no records are skipped, as the format asks.

    Raises:
        SellersError: it contains no record, as a page that says that there is no such file.
    """
    found: set[Seller] = set()
    is_empty = True
    for line in text.decode("utf-8-sig", "replace").splitlines():
        fields = [field.strip() for field in line.partition("#")[0].partition(";")[0].split(",")]
        if len(fields) < _FIELDS or fields[2].lower() not in _RELATIONSHIPS or not (fields[0] and fields[1]):
            continue
        is_empty = False
        if fields[0].lower() != _NOBODY:
            found.add(Seller(domain(fields[0]), fields[1]))
    if is_empty:
        raise SellersError("it contains no record such as `exchange.example, 1234, DIRECT`")
    return AdsTxt(frozenset(found))
