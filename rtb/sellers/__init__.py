"""Who may sell: ads.txt, app-ads.txt and sellers.json, from files and URLs that the operator names."""

from rtb.sellers.ads_txt import AdsTxt, SellersError, read_ads_txt
from rtb.sellers.directory import NO_DIRECTORY, SellerDirectory, Standing, TrustingDirectory
from rtb.sellers.feed import SellerFeed
from rtb.sellers.sellers_json import SellersJson, read_sellers_json
from rtb.sellers.sources import Sources, read_sources

__all__ = [
    "NO_DIRECTORY",
    "AdsTxt",
    "SellerDirectory",
    "SellerFeed",
    "SellersError",
    "SellersJson",
    "Sources",
    "Standing",
    "TrustingDirectory",
    "read_ads_txt",
    "read_sellers_json",
    "read_sources",
]
