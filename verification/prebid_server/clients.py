"""The callers: how each types a bid, and which addresses are called once its ad is shown.

Neither server calls `nurl` or `burl` itself. The page's Prebid.js calls those of a banner; it fills in the price that
the server's bid adjustments made of the bid's, where a macro is left. Of video and audio the servers cache the `adm`
alone, so a player calls what is in it. A page calls the trackers of a native ad.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Json = dict[str, Any]
FORMATS = ("banner", "video", "native", "audio")
"""The order in which the `generic` adapter of Prebid Server Java looks for the type of a bid."""

_MTYPES = {1: "banner", 2: "video", 3: "audio", 4: "native"}
_PRICE = "${AUCTION_PRICE}"
_IMPRESSION = 1
_IMPRESSION_ELEMENT = re.compile(r"<Impression[^>]*>\s*<!\[CDATA\[(.*?)\]\]>\s*</Impression>", re.DOTALL)


class PrebidServer(NamedTuple):
    """A way to be called by a Prebid Server.

    Attributes:
        name: name of the way.
        exchange: profile whose endpoint it calls; the key is in the path, as adapters send no header of ours.
        formats: formats that its adapter takes.
        by_mtype: whether it reads `mtype`; else a bid is of the first format that its imp offers.
        fills_price: whether its adapter replaces the price macro, in `nurl`, `burl` and `adm`, and no other.
    """

    name: str
    exchange: str
    formats: tuple[str, ...]
    by_mtype: bool
    fills_price: bool

    def type_of(self, imp: Json, bid: Json) -> str:
        """Return the format that the server takes a bid for."""
        if self.by_mtype:
            return _MTYPES.get(bid.get("mtype", 0), "")
        return next(kind for kind in FORMATS if kind in imp)

    def addresses(self, kind: str, bid: Json, adjusted: float) -> Iterator[str]:
        """Yield the addresses that are called once an ad of this format is shown.

        Args:
            kind: format that the server takes the bid for.
            bid: the bid.
            adjusted: CPM that the page knows.
        """
        price = f"{bid['price']:.10g}"
        told = {name: bid.get(name) or "" for name in ("nurl", "burl", "adm")}
        if self.fills_price:
            told = {name: value.replace(_PRICE, price) for name, value in told.items()}
        fired = [told["nurl"], told["burl"]] if kind == "banner" else _SHOWN[kind](told["adm"])
        for address in fired:
            if address:
                yield address.replace(_PRICE, f"{adjusted:.10g}")


def _played(markup: str) -> list[str]:
    return _IMPRESSION_ELEMENT.findall(markup)


def _native(markup: str) -> list[str]:
    answer = json.loads(markup)
    answer = answer.get("native", answer)
    events = (one for one in answer.get("eventtrackers", ()) if one["event"] == _IMPRESSION)
    return [*(one["url"] for one in events), *answer.get("imptrackers", ())]


_SHOWN: dict[str, Callable[[str], list[str]]] = {"video": _played, "audio": _played, "native": _native}

GENERIC = PrebidServer("java_generic", "prebid_server_java", FORMATS, by_mtype=False, fills_price=False)
"""Prebid Server Java, an alias of its generic adapter."""

PRICED = PrebidServer("java_priced", "prebid_server", ("banner", "video", "native"), by_mtype=True, fills_price=True)
"""Prebid Server Java, an alias of an adapter that reads `mtype` and fills in the price, such as thetradedesk."""

GO = PrebidServer("go", "prebid_server", ("banner", "video", "native"), by_mtype=True, fills_price=True)
"""Prebid Server in Go, an alias of thetradedesk."""

SERVERS = (GENERIC, PRICED, GO)
