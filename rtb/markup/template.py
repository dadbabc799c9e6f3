"""Markup with places for what differs from bid to bid: the click URL, the bid's id, and the address that charges it."""

from __future__ import annotations

from typing import NamedTuple

CLICK_URL, BID_ID, BILLING = "\0", "\1", "\2"
"""Placeholders in XML and JSON, neither of which can hold these characters."""


class Tracker(NamedTuple):
    """What stands around the address that charges a bid, where its markup does so.

    Attributes:
        before: text before the address.
        after: text after it.
    """

    before: str
    after: str


class MarkupTemplate(NamedTuple):
    """A template of markup.

    Attributes:
        parts: text split wherever the bid's id goes, and each part wherever the click URL goes.
        tracker: element or member that holds the address that charges the bid; none: the format has no place for one.
    """

    parts: tuple[tuple[str, ...], ...]
    tracker: Tracker | None = None

    def filled(self, click_url: str, bid_id: str, billing_url: str = "") -> str:
        """Return the markup of a bid.

        Args:
            click_url: address of a click.
            bid_id: id of the bid.
            billing_url: address that charges the bid when its markup is shown; empty: markup charges nothing.
        """
        text = bid_id.join([click_url.join(part) for part in self.parts])
        if self.tracker is None:
            return text
        return text.replace(BILLING, billing_url.join(self.tracker) if billing_url else "")


def template_of(text: str, tracker: Tracker | None = None) -> MarkupTemplate:
    """Return the template of a text with placeholders."""
    return MarkupTemplate(tuple(tuple(part.split(CLICK_URL)) for part in text.split(BID_ID)), tracker)
