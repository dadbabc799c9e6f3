"""Identity of a caller: the key and the address of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Headers = Iterable[tuple[bytes, bytes]]
Address = IPv4Address | IPv6Address
Scope = MutableMapping[str, Any]
"""ASGI's connection scope."""

UNKNOWN = "unknown"
"""Stands for the address of a caller that has none, such as one behind a socket file."""

_FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip")
_BEARER = b"bearer "
_MOST_HOPS = 16
_V6_PREFIX = 64
"""Bits that tell one IPv6 caller from another: of the rest a single machine may have as many as it likes."""


def key_in(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the key in the headers, `X-API-Key` before `Authorization: Bearer`; `None` without either.

    Args:
        headers: by name, in lower case.
    """
    key = headers.get(b"x-api-key")
    if key is None:
        sent = headers.get(b"authorization", b"")
        key = sent[len(_BEARER) :].strip() if sent[: len(_BEARER)].lower() == _BEARER else None
    return None if key is None else key.decode("latin-1")


def path_in(scope: Mapping[str, Any]) -> str:
    """Return the path of a request, relative to the application's root."""
    path: str = scope.get("path", "").removeprefix(scope.get("root_path", ""))
    return path


class Callers:
    """Finds the address of a caller behind trusted proxies.

    Args:
        trusted: comma-separated addresses and networks, whose `X-Forwarded-For` is believed.
    """

    def __init__(self, trusted: str) -> None:
        parts = (part.strip() for part in trusted.split(","))
        self._trusted = [ip_network(part, strict=False) for part in parts if part]

    def address(self, scope: Mapping[str, Any]) -> Address | None:
        """Return the address of the caller; `None` where it has none.

        Each trusted proxy appends the address that it was called from, so the list is read from its end, as far as
        those who wrote it are trusted. What stands before that may be made up.
        """
        client = scope.get("client")
        found = _parsed(str(client[0])) if client else None
        if found is None or not self._trusted or not self._trusts(found):
            return found
        sent = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        for hop in reversed(sent.decode("latin-1").rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]):
            before = _parsed(hop.strip())
            if before is None:
                return found
            found = before
            if not self._trusts(found):
                return found
        return found

    def group(self, scope: Mapping[str, Any]) -> str:
        """Return the unit that is rate-limited: an IPv4 address, or the IPv6 network that one customer is given."""
        found = self.address(scope)
        if found is None:
            return UNKNOWN
        if isinstance(found, IPv6Address):
            return str(ip_network((found, _V6_PREFIX), strict=False))
        return str(found)

    def is_local(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a request is from this machine, and no proxy says that it forwarded it."""
        found = self.address(scope)
        forwarded = any(name in _FORWARDED for name, _ in scope["headers"])
        if found is None:
            return not forwarded
        return found.is_loopback and (not forwarded or bool(self._trusted))

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _parsed(text: str) -> Address | None:
    """Parse an address, with a port or without; an IPv4-mapped IPv6 address is taken as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
