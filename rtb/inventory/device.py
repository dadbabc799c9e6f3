"""The device of a request: what it says, and what its client hints and User-Agent header say where it says nothing."""

from __future__ import annotations

from typing import NamedTuple

from rtb.inventory import user_agent
from rtb.inventory.user_agent import UNKNOWN
from rtb.openrtb.types import Device
from rtb.runtime.caches import memoized


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
    hints = device.sua or (device.ext.sua if device.ext is not None else None)
    if hints is None:
        return by_header(device.ua or "", device.os or "", device.devicetype or UNKNOWN)
    by_hints = user_agent.platform_of_hints(hints)
    devicetype = max(device.devicetype or UNKNOWN, UNKNOWN) or by_hints.devicetype
    known = by_header(device.ua or "", device.os or by_hints.os, devicetype)
    return known._replace(browser=user_agent.browser_of_hints(hints) or known.browser)


@memoized("headers", 2 << 20)
def by_header(agent: str, os: str, devicetype: int) -> DeviceTraits:
    """Return the traits of a device without client hints.

    Args:
        agent: User-Agent header, or empty.
        os: name of the system, or empty.
        devicetype: OpenRTB list 5.21, 0 or less when unknown.
    """
    devicetype = max(devicetype, UNKNOWN)
    browser = user_agent.browser_of(agent) if agent else ""
    if (os and devicetype) or not agent:
        return DeviceTraits(os.lower(), devicetype, browser)
    platform = user_agent.platform_of(agent)
    return DeviceTraits(os.lower() or platform.os, devicetype or platform.devicetype, browser)
