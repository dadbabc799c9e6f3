"""Requests of the simple API: one slot in a few plain fields."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Pixels = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Name = Annotated[str, msgspec.Meta(max_length=255)]
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=1_000)]
Code = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
Long = Annotated[str, msgspec.Meta(max_length=4_096)]
Cpm = Annotated[float, msgspec.Meta(ge=0, lt=1e9)]
Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$(?!\n)")]
Form = Literal["banner", "video", "native", "audio"]

DEVICES = {"mobile": 1, "pc": 2, "tv": 3, "phone": 4, "tablet": 5, "connected": 6, "set-top": 7, "ooh": 8}
"""Names of OpenRTB device types (AdCOM list "Device Types")."""

DeviceName = Literal["mobile", "pc", "tv", "phone", "tablet", "connected", "set-top", "ooh"]


class FlatRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One slot on offer.

    Attributes:
        id: the caller's id, repeated in the answer; generated when empty.
        format: format of the ad; `banner` and `video` need a size.
        w: width in pixels.
        h: height in pixels.
        sizes: further sizes of a banner, `[[300, 250], [320, 50]]`.
        seconds: longest video or audio.
        page: URL of the page it is on; or:
        app: bundle of the app it is in. A slot is on a page or in an app, not both.
        publisher: domain of the owner of the page or app, where the URL does not tell.
        floor: floor, CPM.
        currency: currency of the floor and of the answer's price; empty: the platform's.
        first_price: whether the winner pays its own bid, else the second price.
        user: the caller's id of the user.
        buyer_user: our own id of the user, where the caller knows it.
        segments: ids of user segments.
        device: a device type by name.
        os: operating system.
        ua: user agent.
        ip: address of the user, version 4 or 6.
        language: ISO 639-1.
        geo: country as ISO 3166-1 alpha-3 or alpha-2, with a region after a slash where it is known: `USA/CA`.
        block_categories: blocked IAB categories.
        block_advertisers: blocked domains of advertisers.
        block_attributes: blocked creative attributes (AdCOM list "Creative Attributes").
        interstitial: whether it fills the screen.
        secure: whether the markup must load over https.
        coppa: whether the user is a child (COPPA).
        gdpr: whether GDPR applies; unknown when left out.
        consent: TCF consent string.
        us_privacy: US privacy string.
        gpp: Global Privacy Platform string.
        gpp_sid: its sections that apply.
        gpc: whether the user states the Global Privacy Control.
        limit_tracking: whether the user asked not to be tracked.
        tmax_ms: milliseconds to answer in; 0: as the platform's settings say.
        test: whether nothing is billable.
    """

    id: Name = ""
    format: Form = "banner"
    w: Pixels | None = None
    h: Pixels | None = None
    sizes: Annotated[tuple[tuple[Pixels, Pixels], ...], msgspec.Meta(max_length=50)] = ()
    seconds: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 30
    page: Long = ""
    app: Name = ""
    publisher: Name = ""
    floor: Cpm = 0.0
    currency: Currency | Literal[""] = ""
    first_price: bool = False
    user: Name = ""
    buyer_user: Name = ""
    segments: Names = ()
    device: DeviceName | None = None
    os: Name = ""
    ua: Long = ""
    ip: Name = ""
    language: Name = ""
    geo: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z]{2,3}(/[A-Za-z0-9-]{1,10})?)?$(?!\n)")] = ""
    block_categories: Names = ()
    block_advertisers: Names = ()
    block_attributes: Annotated[tuple[Code, ...], msgspec.Meta(max_length=100)] = ()
    interstitial: bool = False
    secure: bool = True
    coppa: bool = False
    gdpr: bool | None = None
    consent: Long = ""
    us_privacy: Name = ""
    gpp: Long = ""
    gpp_sid: Annotated[tuple[Code, ...], msgspec.Meta(max_length=50)] = ()
    gpc: bool = False
    limit_tracking: bool = False
    tmax_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0
    test: bool = False

    def __post_init__(self) -> None:
        """Check that the fields are consistent."""
        if (self.w is None) != (self.h is None):
            raise ValueError("`w` and `h` come together")
        if self.page and self.app:
            raise ValueError("a slot is on a `page` or in an `app`, not both")
        if self.format == "banner" and self.w is None and not self.sizes:
            raise ValueError("a banner needs `w` and `h`, or `sizes`")
        if self.format == "video" and self.w is None:
            raise ValueError("a video needs `w` and `h`")


class FlatBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch of slots on offer.

    Attributes:
        bids: slots, at most 500.
    """

    bids: Annotated[tuple[FlatRequest, ...], msgspec.Meta(min_length=1, max_length=500)]
