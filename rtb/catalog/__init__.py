"""The catalog: campaigns of record, portfolios, API keys, and spend by hour."""

from rtb.catalog.keyring import KeyRing, configured_keys
from rtb.catalog.keys import SCOPES, Key, KeyExists, KeyUnknown, Scope, digest_of
from rtb.catalog.portfolios import PortfolioChanged, PortfolioExists, PortfolioRecord, PortfolioUnknown
from rtb.catalog.receipts import IdempotentRequest, KeptAnswer, ReceiptMismatch, RequestRepeated
from rtb.catalog.records import (
    CampaignArchived,
    CampaignChanged,
    CampaignExists,
    CampaignUnknown,
    CatalogEntry,
    CatalogError,
    Change,
    CreativeExists,
    CreativeUnknown,
    LoadedCampaigns,
    Page,
)
from rtb.catalog.store import Catalog
from rtb.events.rows import MoveRecord, Spend

__all__ = [
    "SCOPES",
    "CampaignArchived",
    "CampaignChanged",
    "CampaignExists",
    "CampaignUnknown",
    "Catalog",
    "CatalogEntry",
    "CatalogError",
    "Change",
    "CreativeExists",
    "CreativeUnknown",
    "IdempotentRequest",
    "KeptAnswer",
    "Key",
    "KeyExists",
    "KeyRing",
    "KeyUnknown",
    "LoadedCampaigns",
    "MoveRecord",
    "Page",
    "PortfolioChanged",
    "PortfolioExists",
    "PortfolioRecord",
    "PortfolioUnknown",
    "ReceiptMismatch",
    "RequestRepeated",
    "Scope",
    "Spend",
    "configured_keys",
    "digest_of",
]
