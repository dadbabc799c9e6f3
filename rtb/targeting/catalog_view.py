"""The catalog in the form that a Router uses: targeting index, feature rows and bid templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rtb.inventory.slots import BannerSlot, Slot
from rtb.markup import markup_of
from rtb.markup.bid_template import BidTemplate, bid_template
from rtb.models import features
from rtb.runtime.caches import BoundedCache
from rtb.targeting.index import TargetingIndex
from rtb.targeting.listing import Listing

_ANY_BANNER = BannerSlot()  # a banner's template is the same in every slot
_TEMPLATES_BYTES = 1 << 21


class _Encoded(NamedTuple):
    """A listing, referenced so that its `id()` is not reused, and the feature rows of its creatives."""

    listing: Listing
    rows: features.Rows


def feature_rows(listing: Listing) -> features.Rows:
    """Return the feature rows of a campaign's creatives, shape `(creatives, fields)`."""
    campaign = listing.campaign
    rows = [features.creative_row(campaign.id, creative) for creative in campaign.creatives]
    return np.array(rows, np.int32).reshape(-1, len(features.CREATIVE_FIELDS))


class CatalogView:
    """A view of the catalog: index, feature rows and bid templates. Immutable: each catalog gets a new one.

    Args:
        listings: the active campaigns.
        before: previous view: listings that are the same objects are not encoded again.
        version: version of the catalog.
        base: base URL of the notice endpoints, for markup.
    """

    def __init__(
        self, listings: Sequence[Listing], before: CatalogView | None = None, version: str = "", base: str = ""
    ) -> None:
        self.version = version
        self._base = base
        self.index = TargetingIndex(listings)
        known = {} if before is None else before._rows
        listed = self.index.listings
        self._rows: dict[int, _Encoded] = {
            id(one): known.get(id(one)) or _Encoded(one, feature_rows(one)) for one in listed
        }
        rows = [encoded.rows for encoded in self._rows.values()]
        self.creative_rows = np.concatenate(rows) if rows else np.empty((0, len(features.CREATIVE_FIELDS)), np.int32)
        self.listing_of = {listing.number: listing for listing in listings}
        self._banners: dict[int, BidTemplate] = {}
        self._templates: BoundedCache[BidTemplate] = BoundedCache("showpieces", _TEMPLATES_BYTES)

    def template(self, slot: Slot, creative: int) -> BidTemplate:
        """Return the bid template of a creative, by its row in the index, in a slot; cached."""
        if not isinstance(slot, BannerSlot):
            return self._templates.get(self._show, (slot, creative))
        made = self._banners.get(creative)
        if made is None:
            made = self._banners[creative] = self._show(_ANY_BANNER, creative)
        return made

    def _show(self, slot: Slot, creative: int) -> BidTemplate:
        shown = self.index.creatives[creative]
        campaign = shown.listing.campaign
        markup = markup_of(slot, campaign, shown.creative, self._base)
        return bid_template(slot, campaign, shown.creative, markup)
