"""The catalog: campaigns of record, portfolios, API keys, and spend by hour."""

from rtb.catalog.keyring import KeyRing, standing_keys
from rtb.catalog.keys import SCOPES, Key, KeyExists, KeyUnknown, Scope, digest_of
from rtb.catalog.portfolios import PortfolioChanged, PortfolioExists, PortfolioRecord, PortfolioUnknown
from rtb.catalog.receipts import Kept, Once, ReceiptMismatch, Repeated
from rtb.catalog.records import (
    CampaignArchived,
    CampaignChanged,
    CampaignExists,
    CampaignUnknown,
    CatalogError,
    Change,
    CreativeExists,
    CreativeUnknown,
    Entry,
    Loaded,
    Page,
)
from rtb.catalog.store import Catalog
from rtb.events.rows import Moved, Spend

__all__ = [
    "SCOPES",
    "CampaignArchived",
    "CampaignChanged",
    "CampaignExists",
    "CampaignUnknown",
    "Catalog",
    "CatalogError",
    "Change",
    "CreativeExists",
    "CreativeUnknown",
    "Entry",
    "Kept",
    "Key",
    "KeyExists",
    "KeyRing",
    "KeyUnknown",
    "Loaded",
    "Moved",
    "Once",
    "Page",
    "PortfolioChanged",
    "PortfolioExists",
    "PortfolioRecord",
    "PortfolioUnknown",
    "ReceiptMismatch",
    "Repeated",
    "Scope",
    "Spend",
    "digest_of",
    "standing_keys",
]
