"""Campaigns of record."""

from rtb.catalog.store import CampaignExists, Catalog, CatalogError, Entry

__all__ = ["CampaignExists", "Catalog", "CatalogError", "Entry"]
