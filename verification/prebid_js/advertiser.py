"""The ads that the page shows: a campaign for each of its ad units, and their files."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from rtb.campaigns.campaign import Campaign, decode_campaign

HOST = "shop.example"
FILM = "/film.webm"
FILM_SECONDS = 2
TITLE = "Shoes that last"

_CDN = f"http://{HOST}"
_CLICK_MICROS = 10**9  # a click is worth so much that no other campaign outbids it
_BUDGET_MICROS = 10**12


class AdUnit(NamedTuple):
    """An ad unit of the page and the creative for it.

    Attributes:
        code: its code on the page.
        creative: the creative, without id and landing page.
        size: width and height that the ad must have; none: it has no size of its own.
    """

    code: str
    creative: dict[str, Any]
    size: tuple[int, int] | None = None

    @property
    def landing(self) -> str:
        """Path of its landing page."""
        return f"/landing/{self.code}"


def _image(w: int, h: int) -> str:
    return f"{_CDN}/{w}x{h}.svg"


def _banner(w: int, h: int) -> dict[str, Any]:
    return {"w": w, "h": h, "image_url": _image(w, h)}


_FILE = {"url": f"{_CDN}{FILM}", "mime": "video/webm", "bitrate": 200, "w": 640, "h": 360}
_NATIVE = {"title": TITLE, "sponsored": "Shop", "images": [{"url": _image(300, 200), "w": 300, "h": 200}]}

AD_UNITS = (
    AdUnit("banner", _banner(300, 250), (300, 250)),
    AdUnit("sizes", _banner(728, 90), (728, 90)),
    AdUnit("native", {"kind": "native", "native": _NATIVE}),
    AdUnit("video", {"kind": "video", "video": {"media": [_FILE], "duration_seconds": FILM_SECONDS}}),
)


def campaign_of(unit: AdUnit) -> Campaign:
    """Return the campaign for an ad unit; its id is derived from its contents."""
    creative = {"id": unit.code, "landing_url": f"{_CDN}{unit.landing}", **unit.creative}
    fields = {
        "name": f"Prebid.js, {unit.code}",
        "adomain": [HOST],
        "budget": {"total_micros": _BUDGET_MICROS},
        "goal": {"value_micros": _CLICK_MICROS},
        "creatives": [creative],
    }
    digest = hashlib.sha256(msgspec.json.encode(fields)).hexdigest()[:10]
    return decode_campaign(msgspec.json.encode({"id": f"prebid-js-{unit.code}-{digest}", **fields}))


def picture(path: str) -> bytes | None:
    """Return the image at a path such as `/300x250.svg`; none where it is no image's."""
    w, _, h = path.removeprefix("/").removesuffix(".svg").partition("x")
    if not path.endswith(".svg") or not w.isdecimal() or not h.isdecimal():
        return None
    shape = f'<rect width="{w}" height="{h}" fill="teal"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}">{shape}</svg>'.encode()
