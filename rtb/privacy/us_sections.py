"""GPP's sections for the United States: the national one and those of the states, as tables of their fields.

Source: "Global Privacy Platform", sections "US National" and of each state. A core segment is a version of 6 bits and
fields of 2 bits. A second segment may follow: the Global Privacy Control, or consent to processing of sensitive data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rtb.privacy.bits import Bits, UnreadableConsent

Fields = dict[str, int | bool | list[int]]
"""Decoded fields by their names in the specification."""

_NOTICES = "ProcessingNotice SaleOptOutNotice TargetedAdvertisingOptOutNotice"
_SHARING_NOTICES = "SharingNotice SaleOptOutNotice TargetedAdvertisingOptOutNotice"
_OPT_OUTS = "SaleOptOut TargetedAdvertisingOptOut"
_SENSITIVE, _CHILD = "SensitiveDataProcessing", "KnownChildSensitiveDataConsents"
_ADDITIONAL = "AdditionalDataProcessingConsent"
_MSPA = "MspaCoveredTransaction MspaOptOutOptionMode MspaServiceProviderMode"
_LATER = f"MspaCoveredTransaction MspaMode {_NOTICES} {_OPT_OUTS}"
"""Fields that the sections from 2025 on begin with."""

_NATIONAL = (
    "SharingNotice SaleOptOutNotice SharingOptOutNotice TargetedAdvertisingOptOutNotice"
    " SensitiveDataProcessingOptOutNotice SensitiveDataLimitUseNotice"
    " SaleOptOut SharingOptOut TargetedAdvertisingOptOut"
)


class UsSection(NamedTuple):
    """A section.

    Attributes:
        name: its name in the specification.
        cores: fields of the core segment by version, each with the number of its values; 0 stands for any version.
        version_field: name of the first field.
        has_gpc: whether a second segment has the Global Privacy Control.
        sensitive: number of kinds of sensitive data in a second segment; 0: it has none.
    """

    name: str
    cores: Mapping[int, tuple[tuple[str, int], ...]]
    version_field: str = "Version"
    has_gpc: bool = True
    sensitive: int = 0


def _core(names: str) -> tuple[tuple[str, int], ...]:
    """Return fields from their names, `name*values` where they have several."""
    pairs = (name.partition("*") for name in names.split())
    return tuple((name, int(count or 1)) for name, _, count in pairs)


def _state(name: str, names: str, *, has_gpc: bool = True) -> UsSection:
    return UsSection(name, {1: _core(f"{names} {_MSPA}")}, has_gpc=has_gpc)


def _later_state(name: str, names: str, *, sensitive: int) -> UsSection:
    # Their first field is the version of an agreement, not of the format.
    return UsSection(name, {0: _core(f"{_LATER} {names}")}, "MspaVersion", sensitive == 0, sensitive)


_USUAL = f"{_NOTICES} {_OPT_OUTS} {_SENSITIVE}*8 {_CHILD}*1 {_ADDITIONAL}"

US_SECTIONS: Mapping[int, UsSection] = {
    7: UsSection(
        "usnat",
        {
            1: _core(f"{_NATIONAL} {_SENSITIVE}*12 {_CHILD}*2 PersonalDataConsents {_MSPA}"),
            2: _core(f"{_NATIONAL} {_SENSITIVE}*16 {_CHILD}*3 PersonalDataConsents {_MSPA}"),
        },
    ),
    8: _state(
        "usca",
        "SaleOptOutNotice SharingOptOutNotice SensitiveDataLimitUseNotice SaleOptOut SharingOptOut"
        f" {_SENSITIVE}*9 {_CHILD}*2 PersonalDataConsents",
    ),
    9: _state("usva", f"{_SHARING_NOTICES} {_OPT_OUTS} {_SENSITIVE}*8 {_CHILD}*1", has_gpc=False),
    10: _state("usco", f"{_SHARING_NOTICES} {_OPT_OUTS} {_SENSITIVE}*7 {_CHILD}*1"),
    11: _state(
        "usut",
        f"{_SHARING_NOTICES} SensitiveDataProcessingOptOutNotice {_OPT_OUTS} {_SENSITIVE}*8 {_CHILD}*1",
        has_gpc=False,
    ),
    12: _state("usct", f"{_SHARING_NOTICES} {_OPT_OUTS} {_SENSITIVE}*8 {_CHILD}*3"),
    13: _state("usfl", f"{_NOTICES} {_OPT_OUTS} {_SENSITIVE}*8 {_CHILD}*3 {_ADDITIONAL}", has_gpc=False),
    14: _state("usmt", f"{_SHARING_NOTICES} {_OPT_OUTS} {_SENSITIVE}*8 {_CHILD}*3 {_ADDITIONAL}"),
    15: _state("usor", f"{_NOTICES} {_OPT_OUTS} {_SENSITIVE}*11 {_CHILD}*3 {_ADDITIONAL}"),
    16: _state("ustx", _USUAL),
    17: _state("usde", f"{_NOTICES} {_OPT_OUTS} {_SENSITIVE}*9 {_CHILD}*5 {_ADDITIONAL}"),
    18: _state("usia", f"{_NOTICES} SensitiveDataOptOutNotice {_OPT_OUTS} {_SENSITIVE}*8 {_CHILD}*1"),
    19: _state("usne", _USUAL),
    20: _state("usnh", f"{_NOTICES} {_OPT_OUTS} {_SENSITIVE}*8 {_CHILD}*3 {_ADDITIONAL}"),
    21: _state("usnj", f"{_NOTICES} {_OPT_OUTS} {_SENSITIVE}*10 {_CHILD}*5 {_ADDITIONAL}"),
    22: _state("ustn", _USUAL),
    23: _state("usmn", _USUAL),
    24: _later_state("usmd", _ADDITIONAL, sensitive=0),
    25: _later_state("usin", f"{_CHILD}*1 {_ADDITIONAL}", sensitive=8),
    26: _later_state("usky", f"{_CHILD}*1 {_ADDITIONAL}", sensitive=8),
    27: _later_state("usri", f"{_CHILD}*1 {_ADDITIONAL}", sensitive=8),
}
"""Sections by their ids."""

_NEXT_LAYOUT = {("usnat", 1, 72): 2}
"""Layouts by section, version and bits where encoders wrote the fields of the next version before its number."""

_GPC_TYPE = 1


def decode_us_section(section: UsSection, text: str) -> Fields:
    """Return the fields of a section.

    Raises:
        UnreadableConsent: it cannot be decoded.
    """
    segments = text.split(".")
    bits = Bits(segments[0])
    version = bits.take(6)
    layout = _NEXT_LAYOUT.get((section.name, version, bits.length), version)
    core = section.cores.get(layout) or section.cores.get(0)
    if core is None:
        raise UnreadableConsent(f"{section.name} has no version {version}")
    found: Fields = {section.version_field: version}
    for name, count in core:
        values = [_value(bits, name) for _ in range(count)]
        found[name] = values if count > 1 else values[0]
    for segment in segments[1:]:
        found |= _second(section, Bits(segment))
    return found


def _second(section: UsSection, bits: Bits) -> Fields:
    if section.sensitive:
        return {_SENSITIVE: [_value(bits, _SENSITIVE) for _ in range(section.sensitive)]}
    if not section.has_gpc:
        raise UnreadableConsent(f"{section.name} has one segment")
    kind = bits.take(2)
    if kind != _GPC_TYPE:
        raise UnreadableConsent(f"{section.name} has no segment of type {kind}")
    return {"GpcSegmentType": kind, "Gpc": bool(bits.take(1))}


def _value(bits: Bits, name: str) -> int:
    value = bits.take(2)
    if value > 2:
        raise UnreadableConsent(f"{name} is {value}")
    return value
