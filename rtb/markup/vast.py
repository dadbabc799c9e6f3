"""Video and audio markup: an inline VAST document of the newest version the slot reads; or DAAST, for audio.

Its impression address costs nothing and cannot charge (`rtb.settlement.view_events`): a bid is charged by the
exchange's notice, and a charging URL in the markup could be called by everyone who sees the ad. Only for callers that
send no such notice, as their profile says, a second `Impression` holds the billing address: it charges a bid once,
whoever calls it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import AudioAd, Creative, MediaFile, VideoAd
from rtb.inventory.slots import DAAST, VAST, PlayedSlot, VideoSlot, media_for, protocol_of
from rtb.markup.template import BID_ID, BILLING, CLICK_URL, Tracker
from rtb.settlement.view_events import ERROR, IMPRESSION, PROGRESS, view_url

_VAST_3, _VAST_4, _VAST_4_1 = (3, 0), (4, 0), (4, 1)
_XML = '<?xml version="1.0" encoding="UTF-8"?>'
_NAMESPACE = ' xmlns="http://www.iab.com/VAST"'
_SYSTEM = '<AdSystem version="1.0">Raybid</AdSystem>'
_SERVING_ID = f"<AdServingId>{BID_ID}</AdServingId>"  # identifies one impression, whichever macros a caller fills in
_AUTHORITY = "https://www.iabtechlab.com/categoryauthority"
_CODE = "&code=%5BERRORCODE%5D"
"""VAST's and DAAST's macro, filled in by the player; with plain brackets it is no URI to the schemas."""

IMPRESSION_TRACKER = Tracker("<Impression><![CDATA[", "]]></Impression>")
"""A second `Impression`, which VAST and DAAST allow; its address has no `]]>` in it."""

_HOST = re.compile(r"\A[a-z]+://[^/?#]*", re.IGNORECASE)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def played_markup(slot: PlayedSlot, campaign: Campaign, creative: Creative, base: str) -> str:
    """Return the document of a video or audio creative that fits the slot, with placeholders.

    Raises:
        ValueError: the creative does not fit.
    """
    ad = creative.video if isinstance(slot, VideoSlot) else creative.audio
    return document(slot, campaign, creative, ad, base)


def document(slot: PlayedSlot, campaign: Campaign, creative: Creative, ad: VideoAd | AudioAd | None, base: str) -> str:
    """Return the document of an ad of the creative, such as the video of a native one, with placeholders.

    Raises:
        ValueError: the ad does not fit.
    """
    protocol = protocol_of(slot)
    files = media_for(slot, ad.media) if ad is not None else []
    if ad is None or not files or protocol is None:
        raise ValueError(f"the creative {creative.id!r} does not fit into the slot")
    shown = _Shown(campaign, f"{campaign.id}-{creative.id}", ad, files, base)
    if protocol == DAAST:
        return _daast(shown)
    major, minor = VAST[protocol].split(".")
    after = slot.skip_after if isinstance(slot, VideoSlot) else 0
    return _vast((int(major), int(minor)), shown, after)


class _Shown(NamedTuple):
    """The ad of a document.

    Attributes:
        campaign: campaign of the ad.
        name: `crid` of the creative.
        ad: the ad.
        files: encodings that the slot takes.
        base: base URL of the notice endpoints.
    """

    campaign: Campaign
    name: str
    ad: VideoAd | AudioAd
    files: Sequence[MediaFile]
    base: str


def _vast(version: tuple[int, int], shown: _Shown, skip_after: int) -> str:
    name = _attribute(shown.name)
    audio = ' adType="audio"' if version >= _VAST_4_1 and isinstance(shown.ad, AudioAd) else ""
    linear = f"<Linear{_skip(version, shown.ad, skip_after)}>{_played(version, shown)}</Linear>"
    parts = [
        f'{_XML}<VAST version="{version[0]}.{version[1]}"{_NAMESPACE if version >= _VAST_4 else ""}>',
        f"<Ad id={name}{audio}><InLine>",
        *_about(version, shown),
        f"<Creatives><Creative id={name}>{linear}{_universal_id(version, shown.name)}</Creative></Creatives>",
        "</InLine></Ad></VAST>",
    ]
    return "".join(parts)


def _played(version: tuple[int, int], shown: _Shown) -> str:
    """Return the elements of the linear ad, whose order changed with 4.0."""
    media = _media(shown.files, shown.name)
    clicks = f"<VideoClicks><ClickThrough>{_cdata_of(CLICK_URL)}</ClickThrough></VideoClicks>"
    duration, events = _duration(shown.ad), _events(shown.base)
    return events + duration + media + clicks if version >= _VAST_4 else duration + events + clicks + media


def _about(version: tuple[int, int], shown: _Shown) -> list[str]:
    """Return the elements before the creatives."""
    campaign, error, impression = shown.campaign, _error(shown.base), _impression(shown.base)
    title = f"<AdTitle>{_cdata(campaign.name)}</AdTitle>"
    advertiser = f"<Advertiser>{_cdata(campaign.adomain[0])}</Advertiser>" if version >= _VAST_3 else ""
    if version < _VAST_4:
        return [_SYSTEM, title, advertiser, error, impression]
    categories = [f'<Category authority="{_AUTHORITY}">{_cdata(name)}</Category>' for name in campaign.cat]
    serving = _SERVING_ID if version >= _VAST_4_1 else ""
    return [_SYSTEM, error, impression, serving, title, advertiser, *categories]


def _universal_id(version: tuple[int, int], name: str) -> str:
    if version < _VAST_4:
        return ""
    value = f" idValue={_attribute(name)}" if version == _VAST_4 else ""
    return f'<UniversalAdId idRegistry="unknown"{value}>{_cdata(name)}</UniversalAdId>'


def _skip(version: tuple[int, int], ad: VideoAd | AudioAd, after: int) -> str:
    """Return the skip offset attribute, which VAST 2.0 does not have."""
    if version < _VAST_3 or not isinstance(ad, VideoAd) or ad.skip_after_seconds is None:
        return ""
    return f' skipoffset="{_clock(max(ad.skip_after_seconds, after))}"'


def _daast(shown: _Shown) -> str:
    """Return a DAAST document: audio's format before VAST 4.1, with other click elements and a required category."""
    name = _attribute(shown.name)
    parts = [
        f'{_XML}<DAAST version="1.0"><Ad id={name}><InLine>{_SYSTEM}',
        f"<AdTitle>{_cdata(shown.campaign.name)}</AdTitle>{_error(shown.base)}{_impression(shown.base)}",
        *(f"<Category>{_cdata(category)}</Category>" for category in shown.campaign.cat or ("",)),
        f"<Creatives><Creative id={name}><Linear>{_duration(shown.ad)}{_events(shown.base)}",
        f"<AdInteractions><ClickThrough>{_cdata_of(CLICK_URL)}</ClickThrough></AdInteractions>",
        f"{_media(shown.files, shown.name)}</Linear></Creative></Creatives></InLine></Ad></DAAST>",
    ]
    return "".join(parts)


def _impression(base: str) -> str:
    return f"<Impression>{_cdata_of(view_url(base, BID_ID, IMPRESSION))}</Impression>{BILLING}"


def _error(base: str) -> str:
    return f"<Error>{_cdata_of(view_url(base, BID_ID, ERROR) + _CODE)}</Error>"


def _events(base: str) -> str:
    """Return the addresses of the events of an ad's progress."""
    found = (f'<Tracking event="{name}">{_cdata_of(view_url(base, BID_ID, name))}</Tracking>' for name in PROGRESS)
    return f"<TrackingEvents>{''.join(found)}</TrackingEvents>"


def _duration(ad: VideoAd | AudioAd) -> str:
    return f"<Duration>{_clock(ad.duration_seconds)}</Duration>"


def _media(files: Sequence[MediaFile], name: str) -> str:
    found = (_file(file, f"{name}-{number}") for number, file in enumerate(files, 1))
    return f"<MediaFiles>{''.join(found)}</MediaFiles>"


def _file(file: MediaFile, name: str) -> str:
    """Return a media file element; VAST requires a size of audio too: 0."""
    size = f'width="{file.w}" height="{file.h}"'
    kind = f'delivery="{file.delivery}" type={_attribute(file.mime)} bitrate="{file.bitrate}"'
    about = f'id={_attribute(name)} {kind} {size} scalable="true" maintainAspectRatio="true"'
    return f"<MediaFile {about}>{_cdata(_address(file.url))}</MediaFile>"


def _address(url: str) -> str:
    """Return an address as the schemas take it: brackets and stray percent signs after the host encoded."""
    after = _HOST.sub("", url, count=1)
    fit = _STRAY_PERCENT.sub("%25", after).replace("[", "%5B").replace("]", "%5D")
    return url[: len(url) - len(after)] + fit


def _clock(seconds: float) -> str:
    """Return seconds as HH:MM:SS, with milliseconds where there are any."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    fraction = f".{rest % 1000:03}" if rest % 1000 else ""
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{fraction}"


def _cdata(text: str) -> str:
    return _cdata_of(_legal(text).replace("]]>", "]]]]><![CDATA[>"))


def _cdata_of(text: str) -> str:
    """Return a text of ours, such as an address with placeholders, that needs no escaping."""
    return f"<![CDATA[{text}]]>"


def _attribute(text: str) -> str:
    """Return a quoted attribute value."""
    return quoteattr(_legal(text))


def _legal(text: str) -> str:
    """Return a text without characters that XML does not allow."""
    return _NOT_IN_XML.sub("", text)
