"""Advertisements that can be shown: banners, video, audio and native."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

Identifier = Annotated[str, msgspec.Meta(pattern=r"^(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,64}$(?!\n)")]
Pixels = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Line = Annotated[str, msgspec.Meta(max_length=2_048)]
"""An address or a text that may be empty."""

Markup = Annotated[str, msgspec.Meta(max_length=262_144)]
Code = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
Codes = Annotated[tuple[Code, ...], msgspec.Meta(max_length=256)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Bitrate = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Kind = Literal["banner", "video", "native", "audio"]

SKIPPABLE = 16
"""Creative attribute (list 5.3) of a video that can be skipped."""

TEXT_AD, BANNER_AD, JAVASCRIPT_AD, IFRAME_AD = 1, 2, 3, 4
"""Banner ad types (list 5.2), what `btype` blocks."""

_PICTURES = ("<img", "<svg", "<canvas", "<video", "<script", "<iframe")
"""Tags that show more than text."""

_PLAIN_HTTP = re.compile(r"http://(?!www\.w3\.org/)", re.IGNORECASE)
"""An address without TLS. Those of the W3C name XML vocabularies and load nothing."""


class MediaFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One encoding of a video or a sound.

    Attributes:
        url: where it is.
        mime: its type, `video/mp4` or `audio/mpeg` for example.
        w: width in pixels; video only.
        h: height in pixels; video only.
        bitrate: kbit/s.
        delivery: `progressive` is one file, `streaming` a protocol such as HLS.
    """

    url: Text
    mime: Text
    w: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    h: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    bitrate: Bitrate
    delivery: Literal["progressive", "streaming"] = "progressive"


class VideoAd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A video, always linear: it plays instead of the content, not over it.

    Attributes:
        media: the same video in one or more encodings.
        duration_seconds: how long it plays.
        skip_after_seconds: when it can be skipped; none: never.
    """

    media: Annotated[tuple[MediaFile, ...], msgspec.Meta(min_length=1, max_length=64)]
    duration_seconds: Seconds
    skip_after_seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] | None = None


class AudioAd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sound.

    Attributes:
        media: the same sound in one or more encodings.
        duration_seconds: how long it plays.
    """

    media: Annotated[tuple[MediaFile, ...], msgspec.Meta(min_length=1, max_length=64)]
    duration_seconds: Seconds


class Image(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A picture of a native ad.

    Attributes:
        url: where it is.
        w: width in pixels.
        h: height in pixels.
        mime: its type; empty: what its address ends on.
    """

    url: Text
    w: Pixels
    h: Pixels
    mime: Line = ""

    @property
    def type(self) -> str:
        """Its media type, or empty when unknown."""
        return self.mime or _type_of(self.url)


Images = Annotated[tuple[Image, ...], msgspec.Meta(max_length=64)]


class NativeAd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parts a page puts together to an ad that looks like its own. An empty part is not offered.

    Attributes:
        title: the headline.
        images: the main picture, in one or more sizes.
        icons: the advertiser's icon or logo, in one or more sizes.
        video: a video that can stand where the page asks for one.
        sponsored: on whose behalf, to be shown as "sponsored by".
        body: what it says.
        body2: more of it.
        cta: the call to action on the button, `Buy` for example.
        rating: of the product, `0` to `5`.
        likes: how many like it.
        downloads: how many downloaded it.
        price: with its currency.
        sale_price: reduced, with its currency.
        phone: a number to call.
        address: a street.
        display_url: to be shown instead of the landing page's address.
    """

    title: Text
    images: Images = ()
    icons: Images = ()
    video: VideoAd | None = None
    sponsored: Line = ""
    body: Line = ""
    body2: Line = ""
    cta: Line = ""
    rating: Line = ""
    likes: Line = ""
    downloads: Line = ""
    price: Line = ""
    sale_price: Line = ""
    phone: Line = ""
    address: Line = ""
    display_url: Line = ""


class Creative(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An advertisement that can be shown. Of `video`, `audio` and `native` it has the one its kind names.

    Attributes:
        id: unique within its campaign; sent to exchanges as `crid`, prefixed by the campaign.
        kind: what it is.
        landing_url: where a click leads.
        attr: creative attributes (OpenRTB list 5.3); that a video is skippable need not be said.
        api: frameworks the creative needs to run (list 5.6), such as MRAID.
        language: ISO 639-1, or empty.
        iurl: a picture of the creative, for reviews.
        w: width of a banner in pixels.
        h: height of a banner in pixels.
        adm: markup of a banner; `{click_url}` in it is replaced, OpenRTB macros are left to the exchange.
            Empty: an image linked to `landing_url`.
        image_url: the picture of a banner, when `adm` is empty.
    """

    id: Identifier
    kind: Kind = "banner"
    landing_url: Text
    attr: Codes = ()
    api: Codes = ()
    language: Annotated[str, msgspec.Meta(pattern=r"^([a-z]{2})?$(?!\n)")] = ""
    iurl: Line = ""
    w: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    h: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    adm: Markup = ""
    image_url: Line = ""
    video: VideoAd | None = None
    audio: AudioAd | None = None
    native: NativeAd | None = None

    @property
    def attributes(self) -> frozenset[int]:
        """Creative attributes, the implied one too."""
        skippable = self.video is not None and self.video.skip_after_seconds is not None
        return frozenset(self.attr) | ({SKIPPABLE} if skippable else set())

    @property
    def is_secure(self) -> bool:
        """Whether nothing of it is loaded without TLS. The landing page is not loaded, it is gone to."""
        return not any(_PLAIN_HTTP.search(text) for text in (self.adm, *self.assets()))

    @property
    def mime(self) -> str:
        """Type of a banner: of its picture, or `text/html`."""
        if self.adm:
            return "text/html"
        return _type_of(self.image_url)

    @property
    def banner_types(self) -> frozenset[int]:
        """Banner ad types (list 5.2) it may be taken for; markup without any picture may be a text ad."""
        markup = self.adm.lower()
        types = {BANNER_AD}
        types |= {JAVASCRIPT_AD} if "<script" in markup else set()
        types |= {IFRAME_AD} if "<iframe" in markup else set()
        pictured = not markup or any(tag in markup for tag in _PICTURES)
        return frozenset(types if pictured else types | {TEXT_AD})

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels: of a video its largest file's, of a native ad its first picture's, else 0."""
        if self.video is not None:
            return max((file.w, file.h) for file in self.video.media)
        if self.native is not None and self.native.images:
            return (self.native.images[0].w, self.native.images[0].h)
        return (self.w, self.h)

    def assets(self) -> Iterator[str]:
        """Addresses of what is loaded to show it."""
        native = self.native
        for played in (self.video, self.audio, native and native.video):
            yield from (file.url for file in (played.media if played else ()))
        yield from (image.url for image in (*native.images, *native.icons)) if native else ()
        yield from (url for url in (self.image_url, self.iurl) if url)


def fault_of(creative: Creative, place: str) -> str:
    """What is wrong with a creative that types do not say, or an empty text.

    Args:
        creative: as its owner describes it.
        place: where it stands, for the message: `$.creatives[0]`.
    """
    if not is_web_address(creative.landing_url):
        return f"{creative.landing_url[:60]!r} is no http(s) address - at `{place}.landing_url`"
    for name in ("video", "audio", "native"):
        if (getattr(creative, name) is not None) != (name == creative.kind):
            verb = "needs" if name == creative.kind else "has no"
            return f"a creative of kind `{creative.kind}` {verb} `{name}` - at `{place}.{name}`"
    return _banner_fault(creative, place) if creative.kind == "banner" else _media_fault(creative, place)


def is_web_address(url: str) -> bool:
    """Whether this is an absolute http or https address."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an unclosed bracket
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _type_of(url: str) -> str:
    return mimetypes.guess_type(urlsplit(url).path)[0] or ""


def _banner_fault(creative: Creative, place: str) -> str:
    for name in ("w", "h"):
        if not getattr(creative, name):
            return f"a banner needs `{name}` - at `{place}.{name}`"
    return "" if creative.adm or creative.image_url else f"a banner needs `adm` or `image_url` - at `{place}`"


def _media_fault(creative: Creative, place: str) -> str:
    for name in ("w", "h", "adm", "image_url"):
        if getattr(creative, name):
            return f"only a banner has `{name}` - at `{place}.{name}`"
    native = creative.native
    video = creative.video or (native.video if native else None)
    if video and not all(file.w and file.h for file in video.media):
        return f"each file of a video needs `w` and `h` - at `{place}.{creative.kind}`"
    for url in creative.assets():
        if not is_web_address(url):
            return f"{url[:60]!r} is no http(s) address - at `{place}.{creative.kind}`"
    return ""
