"""The device of a request: what it says, and what its client hints and User-Agent header say where it says nothing."""

from __future__ import annotations

from typing import NamedTuple

from rtb.inventory import user_agent
from rtb.inventory.user_agent import UNKNOWN, Platform
from rtb.openrtb.types import Device

_UNKNOWN = Platform("", UNKNOWN)


class DeviceTraits(NamedTuple):
    """The traits of a device.

    Attributes:
        os: lower case, or empty.
        devicetype: OpenRTB list 5.21, 0 when unknown.
        browser: see `rtb.inventory.user_agent.browser_of`; empty where nothing tells.
    """

    os: str = ""
    devicetype: int = UNKNOWN
    browser: str = ""


def traits_of(device: Device) -> DeviceTraits:
    """Return the traits of a device; client hints count before the header, which browsers reduced for their sake."""
    browser = user_agent.browser_of_hints(device.sua) if device.sua is not None else ""
    if not browser and device.ua:
        browser = user_agent.browser_of(device.ua)
    devicetype = max(device.devicetype or UNKNOWN, UNKNOWN)
    if devicetype and device.os:
        return DeviceTraits(device.os.lower(), devicetype, browser)
    by_hints = user_agent.platform_of_hints(device.sua) if device.sua is not None else _UNKNOWN
    by_header = _UNKNOWN
    if device.ua and not (by_hints.os and by_hints.devicetype):
        by_header = user_agent.platform_of(device.ua)
    return DeviceTraits(
        (device.os or "").lower() or by_hints.os or by_header.os,
        devicetype or by_hints.devicetype or by_header.devicetype,
        browser,
    )
