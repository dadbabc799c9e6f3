"""The known lists of sellers, and whether the sellers of an impression are on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from rtb.openrtb.supply_chain import Seller
from rtb.sellers.ads_txt import AdsTxt
from rtb.sellers.sellers_json import SellersJson


class Standing(Enum):
    """Whether the sellers of an impression may sell it; unknown where the publisher's list is."""

    AUTHORISED = "yes"
    UNAUTHORISED = "no"
    UNKNOWN = ""


@dataclass(frozen=True)
class SellerDirectory:
    """The lists of sellers that are known.

    Attributes:
        ads_txt: lists of sites, by domain.
        app_ads_txt: lists of apps, by id in their store.
        sellers_json: lists of advertising systems, by domain.
    """

    ads_txt: Mapping[str, AdsTxt] = field(default_factory=dict)
    app_ads_txt: Mapping[str, AdsTxt] = field(default_factory=dict)
    sellers_json: Mapping[str, SellersJson] = field(default_factory=dict)

    def standing(self, listed: AdsTxt | None, sellers: Sequence[Seller], *, is_complete: bool) -> Standing:
        """Return whether a publisher authorises all sellers of an impression, and their systems know them.

        Args:
            listed: the publisher's list; none: it is unknown.
            sellers: sellers from the publisher's own to the exchange's.
            is_complete: whether the first of them is the publisher.
        """
        if listed is None or not sellers:
            return Standing.UNKNOWN
        for place, seller in enumerate(sellers):
            known = self.sellers_json.get(seller.system)
            if seller not in listed.sellers or (known is not None and seller.account not in known.accounts):
                return Standing.UNAUTHORISED
            if place == 0 and is_complete and known is not None and seller.account in known.intermediaries:
                return Standing.UNAUTHORISED
        return Standing.AUTHORISED

    def of_site(self, domains: Sequence[str]) -> AdsTxt | None:
        """Return the list of the first known domain, of a site's domain and those above it."""
        return next((self.ads_txt[name] for name in domains if name in self.ads_txt), None)


class TrustingDirectory(SellerDirectory):
    """A directory by which every seller is authorised: of bids that were made, which is only so where that was."""

    def standing(self, listed: AdsTxt | None, sellers: Sequence[Seller], *, is_complete: bool) -> Standing:
        """Return that the sellers are authorised."""
        return Standing.AUTHORISED


NO_DIRECTORY = SellerDirectory()
