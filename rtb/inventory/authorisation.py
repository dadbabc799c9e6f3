"""Whether the sellers of an impression are those that its publisher authorises."""

from __future__ import annotations

from rtb.inventory import blocks
from rtb.inventory.publisher import site_domain
from rtb.openrtb import BidRequest
from rtb.openrtb.domains import domain
from rtb.openrtb.supply_chain import Seller, chain_of, is_complete, sellers_of
from rtb.openrtb.types import App, Site
from rtb.sellers import AdsTxt, SellerDirectory, Standing


def standing_of(request: BidRequest, directory: SellerDirectory, system: str = "") -> Standing:
    """Return whether the sellers of a request may sell it.

    They are those of its supply chain; without one the publisher's account in the exchange's own system.

    Args:
        request: a validated request.
        directory: known lists of sellers.
        system: domain of the exchange's advertising system, as in ads.txt; empty: unknown.
    """
    chain = chain_of(request.source)
    sellers = sellers_of(chain) or _of_publisher(request, system)
    return directory.standing(_list_of(request, directory), sellers, is_complete=is_complete(chain))


def _of_publisher(request: BidRequest, system: str) -> tuple[Seller, ...]:
    place = request.site or request.app or request.dooh
    publisher = place.publisher if place is not None else None
    return (Seller(system, publisher.id),) if system and publisher is not None and publisher.id else ()


def _list_of(request: BidRequest, directory: SellerDirectory) -> AdsTxt | None:
    """Return the ads.txt of a site's domain or those above it, or the app-ads.txt of an app.

    Inventory that its owner shares is authorised by the list of the partner, `inventorypartnerdomain`.
    """
    app, site = request.app, request.site
    if app is not None:
        return directory.app_ads_txt.get(domain(_partner_of(app)) or (app.bundle or "").strip().lower())
    if site is None:
        return None
    return directory.of_site(blocks.with_parent_domains(_partner_of(site) or site_domain(site)))


def _partner_of(place: Site | App) -> str:
    """Return the domain of the partner in its place of OpenRTB 2.6 or 2.5; empty where there is none."""
    earlier = place.ext.inventorypartnerdomain if place.ext is not None else None
    return place.inventorypartnerdomain or earlier or ""
