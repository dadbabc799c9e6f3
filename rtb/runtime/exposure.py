"""Whether a platform may run without API keys: only where nobody but this machine reaches it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from rtb.runtime.settings import Settings


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host. No name but `localhost` counts: it may lead anywhere."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def exposure_fault(settings: Settings, listening: Iterable[str] = ()) -> str | None:
    """Return why a platform must not start with these settings; `None` where it may.

    Args:
        settings: settings of the platform.
        listening: known addresses that its HTTP servers listen on.
    """
    needed = {
        "RAYBID_REQUIRE_EXCHANGE_KEY": settings.require_exchange_key,
        "RAYBID_REQUIRE_REPORT_KEY": settings.require_report_key,
    }
    optional = [name for name, is_needed in needed.items() if not is_needed]
    if not optional:
        return None
    places = [("RAYBID_HTTP_HOST is", settings.http_host)]
    if settings.public_url:
        places.append(("RAYBID_PUBLIC_URL leads to", urlsplit(settings.public_url).hostname or ""))
    places += (("Serve listens on", host) for host in listening)
    needed_so = " and ".join(f"{name}=true" for name in optional)
    for what, host in places:
        if not is_loopback(host):
            return (
                f"{what} {host or 'no host'}, which others may reach: set {needed_so}"
                " and give each exchange a key (docs/how-to/keys.md), or keep everything on 127.0.0.1"
            )
    return None
