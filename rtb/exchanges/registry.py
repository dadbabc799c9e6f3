"""The exchanges, and which one a request or a notice belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import NamedTuple, TypeVar
from urllib.parse import unquote

from rtb.exchanges.profile import GENERIC, SHARED_ENDPOINT, ExchangeError, Profile, number_of
from rtb.runtime.quarantine import Fault

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_Claimed = TypeVar("_Claimed", str, int)


class LeftOut(NamedTuple):
    """An exchange whose profile is invalid: its requests are not answered by other, weaker rules meanwhile.

    Attributes:
        fault: why the profile is invalid.
        name: name of the exchange, as far as it can be read.
        keys: ids of its API keys, as far as they can be read.
    """

    fault: Fault
    name: str
    keys: frozenset[str]


class Exchanges:
    """All profiles, by path, key and number.

    Attributes:
        faults: why exchanges are left out.

    Args:
        profiles: profiles with distinct names, endpoints and keys.
        left_out: exchanges that are not answered, and whose money notices are asked to come again.

    Raises:
        ExchangeError: two profiles share one, or a network is invalid.
    """

    def __init__(self, profiles: Iterable[Profile], left_out: Sequence[LeftOut] = ()) -> None:
        self.faults = [one.fault for one in left_out]
        self._barred = frozenset[str]().union(*(one.keys for one in left_out))
        self._profiles = list(profiles)
        self._by_name = {profile.name: profile for profile in self._profiles}
        self._by_path: dict[str, Profile] = {}
        self._by_key: dict[str, Profile] = {}
        self._by_number: dict[int, Profile] = {}
        self._networks: dict[int, list[Network]] = {}
        for profile in self._profiles:
            self._networks[profile.number] = [_network(one, profile) for one in profile.notice_networks]
            _claim(self._by_number, profile.number, profile, "number")
            for path in (f"{SHARED_ENDPOINT}/{profile.name}", profile.path):
                _claim(self._by_path, path, profile, "endpoint")
            for key in profile.keys:
                _claim(self._by_key, key, profile, "key")
        self._with_keys = [path for path, one in self._by_path.items() if one.key_in == "path"]
        self._left_out = {number_of(one.name) for one in left_out} - set(self._by_number)

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._profiles)

    def has(self, path: str) -> bool:
        """Return whether a path takes requests."""
        return path == SHARED_ENDPOINT or path in self._by_path

    def addressed(self, path: str, query: bytes) -> tuple[str, str | None]:
        """Return the endpoint that an address names, and the API key in it where its exchange may put one there.

        Args:
            path: path of the request, decoded; a key in it is all that follows the endpoint.
            query: query of the request, as sent; a key in it is the parameter `key`.
        """
        profile = self._by_path.get(path)
        if profile is not None:
            return path, _key_of(query) if profile.key_in == "parameter" else None
        for endpoint in self._with_keys:
            if path.startswith(f"{endpoint}/"):
                return endpoint, path[len(endpoint) + 1 :] or None
        return path, None

    def named(self, name: str) -> Profile | None:
        """Return the exchange of a name; `None` where there is none, or its profile is invalid."""
        return self._by_name.get(name)

    def numbered(self, number: int) -> Profile:
        """Return the exchange that a token names; `GENERIC` where it has no profile (any more)."""
        return self._by_number.get(number, GENERIC)

    def may_notify(self, number: int, address: Address | None) -> bool:
        """Return whether money notices of an exchange may come from an address; any, where it names no networks."""
        networks = self._networks.get(number)
        return not networks or (address is not None and any(address in network for network in networks))

    def is_left_out(self, number: int) -> bool:
        """Return whether the exchange that a token names has an invalid profile."""
        return number in self._left_out

    def of_key(self, key: str) -> Profile | None:
        """Return the exchange of an API key by its id; `GENERIC` for a key that no profile lists.

        The key of an exchange that is left out has none: `None`.
        """
        return self._by_key.get(key) or (None if key in self._barred else GENERIC)

    def of(self, path: str, key: str = "") -> Profile | None:
        """Return the exchange of a request; `None` where there is none.

        At the shared endpoint it is that of the key, where an exchange lists it; else that of the path. There is none
        where the key belongs to another exchange than the path.

        Args:
            path: path of the request, without a query.
            key: id of its API key, or empty.
        """
        named, owner = self._by_path.get(path), self._by_key.get(key)
        if owner is None and key in self._barred:
            return None
        if path == SHARED_ENDPOINT:
            return owner or named or GENERIC
        return named if owner is None or owner is named else None


def _key_of(query: bytes) -> str | None:
    """Return the parameter `key`; a plus sign in it is one, as keys have no spaces."""
    for part in query.decode("latin-1").split("&"):
        name, _, value = part.partition("=")
        if name == "key" and value:
            return unquote(value)
    return None


def _network(text: str, profile: Profile) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ExchangeError(f"{profile.name}: notice_networks: {error}") from error


def _claim(taken: dict[_Claimed, Profile], what: _Claimed, profile: Profile, kind: str) -> None:
    owner = taken.setdefault(what, profile)
    if owner is not profile:
        raise ExchangeError(f"{kind} {what} belongs to two exchanges: {owner.name} and {profile.name}")
