"""Creatives: banners, video, audio and native ads."""

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
"""Banner ad types (list 5.2), as blocked by `btype`."""

_PICTURES = ("<img", "<svg", "<canvas", "<video", "<script", "<iframe")
"""Tags that show more than text."""

_PLAIN_HTTP = re.compile(r"http://(?!www\.w3\.org/)", re.IGNORECASE)
"""A URL without TLS. Those of the W3C are XML namespaces and load nothing."""


class MediaFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One encoding of a video or an audio ad.

    Attributes:
        url: URL of the file.
        mime: media type, `video/mp4` or `audio/mpeg` for example.
        w: width in pixels; video only.
        h: height in pixels; video only.
        bitrate: kbit/s.
        delivery: `progressive` for one file, `streaming` for a protocol such as HLS.
    """

    url: Text
    mime: Text
    w: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    h: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    bitrate: Bitrate
    delivery: Literal["progressive", "streaming"] = "progressive"


class VideoAd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A linear video ad: it plays instead of the content, not over it.

    Attributes:
        media: the same video in one or more encodings.
        duration_seconds: length of the video.
        skip_after_seconds: seconds after which it can be skipped; none: never.
    """

    media: Annotated[tuple[MediaFile, ...], msgspec.Meta(min_length=1, max_length=64)]
    duration_seconds: Seconds
    skip_after_seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] | None = None


class AudioAd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An audio ad.

    Attributes:
        media: the same audio in one or more encodings.
        duration_seconds: length of the audio.
    """

    media: Annotated[tuple[MediaFile, ...], msgspec.Meta(min_length=1, max_length=64)]
    duration_seconds: Seconds


class Image(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image of a native ad.

    Attributes:
        url: URL of the image.
        w: width in pixels.
        h: height in pixels.
        mime: media type; empty: guessed from the URL.
    """

    url: Text
    w: Pixels
    h: Pixels
    mime: Line = ""

    @property
    def type(self) -> str:
        """Media type of the image; empty when unknown."""
        return self.mime or _type_of(self.url)


Images = Annotated[tuple[Image, ...], msgspec.Meta(max_length=64)]


class NativeAd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A native ad: the parts that a page assembles in its own style. An empty part is not offered.

    Attributes:
        title: the headline.
        images: the main image, in one or more sizes.
        icons: the advertiser's icon or logo, in one or more sizes.
        video: a video for pages that ask for one.
        sponsored: the advertiser, shown as "sponsored by".
        body: description.
        body2: further description.
        cta: the call to action on the button, `Buy` for example.
        rating: rating of the product, `0` to `5`.
        likes: number of likes.
        downloads: number of downloads.
        price: price with its currency.
        sale_price: reduced price with its currency.
        phone: phone number.
        address: postal address.
        display_url: URL shown instead of the landing page's.
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
    """A creative. Of `video`, `audio` and `native` it has the one that its kind names.

    Attributes:
        id: id, unique within the campaign; sent to exchanges as `crid`, prefixed by the campaign's.
        kind: format.
        landing_url: URL of the landing page.
        attr: creative attributes (OpenRTB list 5.3); `skippable` is implied by a skippable video.
        api: frameworks the creative needs to run (list 5.6), such as MRAID.
        language: ISO 639-1, or empty.
        iurl: URL of a sample image, for reviews.
        w: width of a banner in pixels.
        h: height of a banner in pixels.
        adm: markup of a banner; `{click_url}` in it is replaced, OpenRTB macros are left to the exchange.
            Empty: an image linked to `landing_url`.
        image_url: URL of a banner's image, when `adm` is empty.
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
        """Creative attributes, including the implied one."""
        skippable = self.video is not None and self.video.skip_after_seconds is not None
        return frozenset(self.attr) | ({SKIPPABLE} if skippable else set())

    @property
    def is_secure(self) -> bool:
        """Whether everything it loads is loaded with TLS; the landing page is not loaded."""
        return not any(_PLAIN_HTTP.search(text) for text in (self.adm, *self.assets()))

    @property
    def mime(self) -> str:
        """Media type of a banner: that of its image, or `text/html`."""
        if self.adm:
            return "text/html"
        return _type_of(self.image_url)

    @property
    def banner_types(self) -> frozenset[int]:
        """Banner ad types (list 5.2) that may apply to it; markup without any image may be a text ad."""
        markup = self.adm.lower()
        types = {BANNER_AD}
        types |= {JAVASCRIPT_AD} if "<script" in markup else set()
        types |= {IFRAME_AD} if "<iframe" in markup else set()
        pictured = not markup or any(tag in markup for tag in _PICTURES)
        return frozenset(types if pictured else types | {TEXT_AD})

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels: a video's largest file's, a native ad's first image's, else its own or 0."""
        if self.video is not None:
            return max((file.w, file.h) for file in self.video.media)
        if self.native is not None and self.native.images:
            return (self.native.images[0].w, self.native.images[0].h)
        return (self.w, self.h)

    def assets(self) -> Iterator[str]:
        """Yield the URLs of everything loaded to show it."""
        native = self.native
        for played in (self.video, self.audio, native and native.video):
            yield from (file.url for file in (played.media if played else ()))
        yield from (image.url for image in (*native.images, *native.icons)) if native else ()
        yield from (url for url in (self.image_url, self.iurl) if url)


def fault_of(creative: Creative, place: str) -> str:
    """Return what is wrong with a creative beyond its types; empty where nothing is.

    Args:
        creative: creative to check.
        place: its JSON path for the message: `$.creatives[0]`.
    """
    if not is_web_address(creative.landing_url):
        return f"{creative.landing_url[:60]!r} is not an http(s) URL - at `{place}.landing_url`"
    for name in ("video", "audio", "native"):
        if (getattr(creative, name) is not None) != (name == creative.kind):
            verb = "needs" if name == creative.kind else "has no"
            return f"a creative of kind `{creative.kind}` {verb} `{name}` - at `{place}.{name}`"
    return _banner_fault(creative, place) if creative.kind == "banner" else _media_fault(creative, place)


def is_web_address(url: str) -> bool:
    """Return whether this is an absolute http or https URL."""
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
            return f"{url[:60]!r} is not an http(s) URL - at `{place}.{creative.kind}`"
    return ""
