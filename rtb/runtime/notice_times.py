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
    """

    web: float = 60.0
    app: float = 300.0
    native: float = 600.0
    interstitial: float = 1_800.0

    def of(self, inventory: str, *, interstitial: bool = False, native: bool = False) -> float:
        """Return the seconds for an impression on `site`, `app`, `dooh` or unknown (empty) inventory."""
        if interstitial:
            return self.interstitial
        if native:
            return self.native
        return self.app if inventory in ("app", "dooh") else self.web
