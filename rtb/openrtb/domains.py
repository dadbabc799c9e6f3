"""Domains, in the one form that all spellings of them have in common."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

import idna

from rtb.runtime.caches import memoized

_SCHEME = re.compile(r"https?:/*|[a-z][a-z0-9+.-]*:/{2,}", re.IGNORECASE)
"""What stands before a host; callers also write `https:/host`, and apps have schemes of their own."""


@memoized("domains", 1 << 20)
def domain(name: str) -> str:
    """Return a normalised domain, also from a URL or a wildcard of its subdomains, which belong to it anyway.

    `https://www.Shop.example:443/sale`, `*.shop.example` and `.shop.example` are `shop.example`; `*` stays.
    """
    text = unquote(name).strip("\"'<> \t").replace("\\", "/")
    try:
        host = urlsplit("//" + _SCHEME.sub("", text, count=1).lstrip("/")).hostname or ""
    except ValueError:  # such as an unclosed bracket
        return ""
    return _plain(host if host.isascii() else _plain(ascii_host(host)))


def _plain(host: str) -> str:
    return host.rstrip(".").removeprefix("*.").lstrip(".").removeprefix("www.")


def ascii_host(name: str) -> str:
    """Return an international host name as it is in DNS (IDNA), as campaigns and exchanges may write either form."""
    wildcard, name = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    try:
        return wildcard + idna.encode(name, uts46=True).decode()
    except idna.IDNAError:  # such as an emoji, which browsers encode by the older rules
        return wildcard + _older(name)


def _older(name: str) -> str:
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return quote(name)
