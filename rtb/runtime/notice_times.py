"""How long notices are honoured."""

from __future__ import annotations

from typing import NamedTuple


class NoticeTimes(NamedTuple):
    """Seconds from a bid until its money notices are no longer honoured, by inventory.

    Attributes:
        web: a banner on a page, shown as soon as it is sold.
        app: a banner in an app or on a screen in public, often fetched ahead.
        native: a native advertisement.
        interstitial: an ad that fills the screen at the next break, which may be long in coming.
        scheduled: the longest for a screen in public whose request says when the ad is shown.
    """

    web: float = 60.0
    app: float = 300.0
    native: float = 600.0
    interstitial: float = 1_800.0
    scheduled: float = 86_400.0

    @property
    def usual(self) -> float:
        """The longest where no request says when the ad is shown."""
        return max(self[:4])

    @property
    def longest(self) -> float:
        """The longest of all."""
        return self.usual + self.scheduled

    def of(self, inventory: str, *, interstitial: bool = False, native: bool = False, shown_in: float = 0.0) -> float:
        """Return the seconds for an impression.

        Args:
            inventory: `site`, `app`, `dooh`, or empty when unknown.
            interstitial: whether it fills the screen.
            native: whether it is a native ad.
            shown_in: seconds until it is shown, as its request says; 0: it does not say.
        """
        if interstitial:
            seconds = self.interstitial
        elif native:
            seconds = self.native
        else:
            seconds = self.app if inventory in ("app", "dooh") else self.web
        if inventory == "dooh" and shown_in > 0:  # the notice follows the showing
            seconds += min(shown_in, self.scheduled)
        return seconds
