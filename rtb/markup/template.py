"""Markup with places for what differs from bid to bid: the click URL and the bid's id."""

from __future__ import annotations

from typing import NamedTuple

CLICK_URL, BID_ID = "\0", "\1"
"""Placeholders in XML and JSON, neither of which can hold these characters."""


class MarkupTemplate(NamedTuple):
    """A template of markup.

    Attributes:
        parts: text split wherever the bid's id goes, and each part wherever the click URL goes.
    """

    parts: tuple[tuple[str, ...], ...]

    def filled(self, click_url: str, bid_id: str) -> str:
        """Return the markup of a bid."""
        return bid_id.join([click_url.join(part) for part in self.parts])


def template_of(text: str) -> MarkupTemplate:
    """Return the template of a text with placeholders."""
    return MarkupTemplate(tuple(tuple(part.split(CLICK_URL)) for part in text.split(BID_ID)))
