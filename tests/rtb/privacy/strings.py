"""Consent strings built bit by bit, in the order of their specifications."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

from rtb.privacy.us_sections import US_SECTIONS

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def base64(bits: str) -> str:
    """Return bits as web-safe base64, filled up with zeros."""
    bits += "0" * (-len(bits) % 8)
    bits += "0" * (-len(bits) % 6)
    return "".join(_ALPHABET[int(bits[place : place + 6], 2)] for place in range(0, len(bits), 6))


def fibonacci(number: int) -> str:
    """Return a number in Fibonacci coding."""
    terms = [1, 2]
    while terms[-1] <= number:
        terms.append(terms[-1] + terms[-2])
    bits = ""
    for term in reversed([term for term in terms if term <= number]):
        bits = ("1" if number >= term else "0") + bits
        number -= term if number >= term else 0
    return bits + "1"


def _runs(ids: Collection[int]) -> list[tuple[int, int]]:
    """Return first and last of each run of ids."""
    runs = [[id for _, id in run] for _, run in groupby(enumerate(sorted(ids)), key=lambda pair: pair[1] - pair[0])]
    return [(run[0], run[-1]) for run in runs]


def ranges(ids: Collection[int]) -> str:
    """Return ids as ranges of numbers of 16 bits."""
    runs = _runs(ids)
    return f"{len(runs):012b}" + "".join(
        f"0{first:016b}" if first == last else f"1{first:016b}{last:016b}" for first, last in runs
    )


def fibonacci_ranges(ids: Collection[int]) -> str:
    """Return ids as ranges of numbers in Fibonacci coding."""
    bits, before = f"{len(_runs(ids)):012b}", 0
    for first, last in _runs(ids):
        bits += f"{int(last > first)}{fibonacci(first - before)}" + (fibonacci(last - first) if last > first else "")
        before = last
    return bits


def _flags(ids: Collection[int], count: int) -> str:
    return "".join("01"[number in ids] for number in range(1, count + 1))


def _optimized(ids: Collection[int], written: str) -> str:
    most = max(ids, default=0)
    if written == "field":
        return f"{most:016b}0{_flags(ids, most)}"
    return f"{most:016b}1{fibonacci_ranges(ids) if written == 'fibonacci' else ranges(ids)}"


def tcf(
    *,
    consents: Collection[int] = (),
    interests: Collection[int] = (),
    vendors: Collection[int] = (),
    vendor_interests: Collection[int] = (),
    restrictions: Sequence[tuple[int, int, Collection[int]]] = (),
    written: str = "field",
) -> str:
    """Build a European consent string."""
    bits = f"{2:06b}" + "0" * 126 + f"{4:06b}" + "0" * 14 + _flags(consents, 24) + _flags(interests, 24) + "0" * 13
    bits += _optimized(vendors, written) + _optimized(vendor_interests, written) + f"{len(restrictions):012b}"
    bits += "".join(f"{purpose:06b}{kind:02b}{ranges(ids)}" for purpose, kind, ids in restrictions)
    return base64(bits)


def tcf_canada(
    *,
    express: Collection[int] = (),
    implied: Collection[int] = (),
    vendors: Collection[int] = (),
    written: str = "fibonacci",
) -> str:
    """Build a Canadian consent string."""
    bits = f"{1:06b}" + "0" * 126 + f"{2:06b}" + "0" * 13 + _flags(express, 24) + _flags(implied, 24)
    return base64(bits + _optimized(vendors, written) + _optimized((), written) + "0" * 12)


def us_section(id: int, *, version: int = 0, **fields: Any) -> str:
    """Build a section of the United States; fields that are not given are 0."""
    section = US_SECTIONS[id]
    version = version or max(section.cores) or 1
    bits = f"{version:06b}"
    for name, count in section.cores.get(version) or section.cores[0]:
        value = fields.get(name, 0)
        bits += "".join(f"{one:02b}" for one in (value if isinstance(value, list) else [value] * count))
    segments = [base64(bits)]
    if section.sensitive and "SensitiveDataProcessing" in fields:
        segments.append(base64("".join(f"{one:02b}" for one in fields["SensitiveDataProcessing"])))
    if section.has_gpc and "Gpc" in fields:
        segments.append(base64(f"01{int(fields['Gpc'])}"))
    return ".".join(segments)


def gpp(sections: Mapping[int, str]) -> str:
    """Build a GPP string of encoded sections by their ids."""
    header = base64(f"{3:06b}{1:06b}{fibonacci_ranges(sections)}")
    return "~".join([header, *(sections[id] for id in sorted(sections))])
