"""The address that a click leads to, as an HTTP header can hold it."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from rtb.openrtb.domains import ascii_host

_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AUTHORITY = re.compile(r"(.*@)?(\[[^\]]*\]|[^:@]*)(:.*)?")
_PATH = "%/:@!$&'()*+,;=~"
_QUERY = _PATH + "?"
_USER = "%!$&'()*+,;=~:"


def landing_with(url: str, parameter: str) -> str:
    """Return a landing page's URL with a query parameter, in ASCII (RFC 3986) so that it can stand in a header.

    Owners write addresses as people read them: with spaces, umlauts and names of hosts in their own script. What is
    percent-encoded already stays as it is.

    Args:
        url: an absolute URL.
        parameter: `name=value`, appended to the query.
    """
    parts = urlsplit(url)
    query = "&".join(filter(None, (_encoded(parts.query, _QUERY), parameter)))
    place = _encoded(parts.path, _PATH)
    return urlunsplit((parts.scheme, _authority(parts.netloc), place, query, _encoded(parts.fragment, _QUERY)))


def _authority(netloc: str) -> str:
    """Return user, host and port with the host in ASCII (IDNA)."""
    parts = _AUTHORITY.fullmatch(netloc)
    if parts is None:
        return _encoded(netloc, _USER)
    user, host, port = parts.groups(default="")
    return f"{_encoded(user, _USER + '@')}{_host(host)}{_encoded(port, ':')}"


def _host(name: str) -> str:
    return _encoded(name, "%[]:!$&'()*+,;=~_") if name.isascii() else ascii_host(name)


def _encoded(text: str, safe: str) -> str:
    """Return a part percent-encoded where RFC 3986 wants it, UTF-8 first; a percent sign that begins no code too."""
    return quote(_PERCENT.sub("%25", text), safe=safe, errors="replace")
