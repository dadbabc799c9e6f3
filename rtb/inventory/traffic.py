"""Traffic that no person is behind: known crawlers, programs, and addresses of data centres."""

from __future__ import annotations

import threading

from rtb.inventory.crawlers import CrawlerList
from rtb.inventory.data_centers import DataCenters, shipped
from rtb.openrtb import BidRequest, Device, NoBid


class TrafficFilter:
    """Refuses requests that no person is behind.

    Screens are in data centres' networks and call themselves what they like, so those of `dooh` pass. What an app sends
    may be named by the library that it sends with, so only crawlers are refused there.

    Args:
        crawlers: list of crawlers; none: they pass.
        data_centers: addresses of data centres; none: they pass.
    """

    def __init__(self, crawlers: CrawlerList | None = None, data_centers: DataCenters | None = None) -> None:
        self._crawlers = crawlers
        self._data_centers = data_centers

    def load_data_centers(self) -> threading.Thread:
        """Start to read the shipped addresses of data centres; until they are read, those pass."""

        def load() -> None:
            self._data_centers = shipped()

        thread = threading.Thread(target=load, name="data centres", daemon=True)
        thread.start()
        return thread

    def refusal(self, request: BidRequest) -> NoBid | None:
        """Return why a request is refused; `None` where it is not."""
        device = request.device
        if device is None or request.dooh is not None:
            return None
        if self._crawlers is not None and device.ua:
            reason = self._crawlers.reason(device.ua)
            if reason is not None and (reason == NoBid.CRAWLER or request.app is None):
                return reason
        return NoBid.DATA_CENTER if self._is_data_center(device) else None

    def _is_data_center(self, device: Device) -> bool:
        known = self._data_centers
        return known is not None and any(address in known for address in (device.ip, device.ipv6) if address)


ANY_TRAFFIC = TrafficFilter()
"""A filter that refuses nothing."""
