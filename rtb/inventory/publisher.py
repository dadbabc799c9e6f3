"""The publisher of a request: the domain of its site, the bundle of its app."""

from __future__ import annotations

from rtb.inventory.blocks import domain
from rtb.openrtb.types import App, BidRequest, Dooh, Site


def inventory_of(request: BidRequest) -> tuple[str, str]:
    """Return `site`, `app`, `dooh` or an empty text, and the publisher, empty where nothing names it."""
    app = request.app
    if app is not None:
        if app.bundle and (bundle := app.bundle.strip().lower()):
            return "app", bundle
        return "app", _domain(app.domain) or _owner(app)
    if request.site is not None:
        return "site", site_domain(request.site) or _owner(request.site)
    if request.dooh is not None:
        return "dooh", _domain(request.dooh.domain) or _owner(request.dooh)
    return "", ""


def site_domain(site: Site) -> str:
    """Return the domain of a site, by its name or by the address of the page; empty where neither tells."""
    return _domain(site.domain) or _host(site.page or "")


def publisher_names(name: str) -> set[str]:
    """Return the spellings by which a campaign's publisher is found: a domain in any form, or a bundle or id."""
    return {spelling for spelling in (domain(name), name.strip().lower()) if spelling}


def _owner(place: Site | App | Dooh) -> str:
    publisher = place.publisher
    return (_domain(publisher.domain) if publisher is not None else "") or (place.id or "").lower()


def _domain(name: str | None) -> str:
    """Return a normalised domain, or the name as it is where it is none."""
    return domain(name) or name.strip().lower() if name else ""


def _host(page: str) -> str:
    """Return the domain of a page; its address is cut first, as there are too many to cache."""
    scheme, mark, rest = page.partition("//")
    authority = (rest if mark else scheme).split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    host = domain(authority)
    return host if "." in host else ""
