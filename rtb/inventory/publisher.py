"""The publisher of a request: the domain of its site, the bundle of its app."""

from __future__ import annotations

import re

from rtb.openrtb.domains import domain
from rtb.openrtb.types import App, BidRequest, Dooh, Site

_SCHEME = re.compile(r"\s*(?:https?:/*|(?:[a-z][a-z0-9+.-]*:)?/{2,})", re.IGNORECASE)
_AUTHORITY_END = re.compile(r"[/?#\\]")


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
    """Return the domain of a site, by its name or by the address of the page; empty where neither tells.

    A name without a dot, such as `null`, counts only where the page has no address.
    """
    named = _domain(site.domain)
    return named if "." in named else _host(site.page or "") or named


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
    start = _SCHEME.match(page)
    authority = _AUTHORITY_END.split(page[start.end() if start else 0 :], maxsplit=1)[0]
    host = domain(authority)
    return host if "." in host else ""
