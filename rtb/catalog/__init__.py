"""Campaigns of record."""

from rtb.catalog.records import (
    CampaignChanged,
    CampaignExists,
    CampaignUnknown,
    CatalogError,
    Change,
    Entry,
    Spend,
)
from rtb.catalog.store import Catalog

__all__ = [
    "CampaignChanged",
    "CampaignExists",
    "CampaignUnknown",
    "Catalog",
    "CatalogError",
    "Change",
    "Entry",
    "Spend",
]
