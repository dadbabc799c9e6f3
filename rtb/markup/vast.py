"""Video and audio markup: an inline VAST document of the newest version the slot reads; or DAAST, for audio.

Its impression element, which the specification requires, is empty. A bid is charged by the exchange's notice; a
charging URL in the markup could be called by everyone who sees the ad.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import AudioAd, Creative, MediaFile, VideoAd
from rtb.inventory.slots import DAAST, VAST, PlayedSlot, VideoSlot, media_for, protocol_of

_VAST_3, _VAST_4, _VAST_4_1 = (3, 0), (4, 0), (4, 1)
_XML = '<?xml version="1.0" encoding="UTF-8"?>'
_IMPRESSION = "<Impression></Impression>"
_SERVING_ID = "<AdServingId>${AUCTION_ID}</AdServingId>"  # filled in by the exchange, so it identifies one impression
_AUTHORITY = "https://www.iabtechlab.com/categoryauthority"

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def played_markup(slot: PlayedSlot, campaign: Campaign, creative: Creative) -> list[str]:
    """Return the document of a video or audio creative that fits the slot, split where the click URL goes.

    Raises:
        ValueError: the creative does not fit.
    """
    ad = creative.video if isinstance(slot, VideoSlot) else creative.audio
    return document(slot, campaign, creative, ad)


def document(slot: PlayedSlot, campaign: Campaign, creative: Creative, ad: VideoAd | AudioAd | None) -> list[str]:
    """Return the document of an ad of the creative, such as the video of a native one, split where the click URL goes.

    Raises:
        ValueError: the ad does not fit.
    """
    protocol = protocol_of(slot)
    files = media_for(slot, ad.media) if ad is not None else []
    if ad is None or not files or protocol is None:
        raise ValueError(f"the creative {creative.id!r} does not fit into the slot")
    shown = _Shown(campaign, f"{campaign.id}-{creative.id}", ad, files)
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
    """

    campaign: Campaign
    name: str
    ad: VideoAd | AudioAd
    files: Sequence[MediaFile]


def _vast(version: tuple[int, int], shown: _Shown, skip_after: int) -> list[str]:
    name = _attribute(shown.name)
    audio = ' adType="audio"' if version >= _VAST_4_1 and isinstance(shown.ad, AudioAd) else ""
    head = [
        _XML,
        f'<VAST version="{version[0]}.{version[1]}"><Ad id={name}{audio}><InLine>',
        *_about(version, shown.campaign),
        f"<Creatives><Creative id={name}>",
        _universal_id(version, shown.name),
        f"<Linear{_skip(version, shown.ad, skip_after)}><Duration>{_clock(shown.ad.duration_seconds)}</Duration>",
    ]
    media = _media(shown.files)
    clicks = ("<VideoClicks><ClickThrough><![CDATA[", "]]></ClickThrough></VideoClicks>")
    tail = "</Linear></Creative></Creatives></InLine></Ad></VAST>"
    if version >= _VAST_4:  # the order of elements changed
        return ["".join((*head, media, clicks[0])), clicks[1] + tail]
    return ["".join((*head, clicks[0])), clicks[1] + media + tail]


def _about(version: tuple[int, int], campaign: Campaign) -> list[str]:
    """Return the elements before the creatives."""
    system, title = "<AdSystem>Raybid</AdSystem>", f"<AdTitle>{_cdata(campaign.name)}</AdTitle>"
    advertiser = f"<Advertiser>{_cdata(campaign.adomain[0])}</Advertiser>" if version >= _VAST_3 else ""
    if version < _VAST_4:
        return [system, title, advertiser, _IMPRESSION]
    categories = [f'<Category authority="{_AUTHORITY}">{_cdata(name)}</Category>' for name in campaign.cat]
    serving = _SERVING_ID if version >= _VAST_4_1 else ""
    return [system, _IMPRESSION, serving, title, advertiser, *categories]


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


def _daast(shown: _Shown) -> list[str]:
    """Return a DAAST document: audio's format before VAST 4.1, with other click elements and a required category."""
    name = _attribute(shown.name)
    head = [
        _XML,
        f'<DAAST version="1.0"><Ad id={name}><InLine><AdSystem>Raybid</AdSystem>',
        f"<AdTitle>{_cdata(shown.campaign.name)}</AdTitle>{_IMPRESSION}",
        *(f"<Category>{_cdata(category)}</Category>" for category in shown.campaign.cat or ("",)),
        f"<Creatives><Creative id={name}><Linear><Duration>{_clock(shown.ad.duration_seconds)}</Duration>",
        "<AdInteractions><ClickThrough><![CDATA[",
    ]
    tail = "</Linear></Creative></Creatives></InLine></Ad></DAAST>"
    return ["".join(head), f"]]></ClickThrough></AdInteractions>{_media(shown.files)}{tail}"]


def _media(files: Sequence[MediaFile]) -> str:
    return f"<MediaFiles>{''.join(map(_file, files))}</MediaFiles>"


def _file(file: MediaFile) -> str:
    """Return a media file element; VAST requires a size of audio too: 0."""
    size = f'width="{file.w}" height="{file.h}"'
    kind = f'delivery="{file.delivery}" type={_attribute(file.mime)} bitrate="{file.bitrate}"'
    return f'<MediaFile {kind} {size} scalable="true" maintainAspectRatio="true">{_cdata(file.url)}</MediaFile>'


def _clock(seconds: float) -> str:
    """Return seconds as HH:MM:SS, with milliseconds where there are any."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    fraction = f".{rest % 1000:03}" if rest % 1000 else ""
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{fraction}"


def _cdata(text: str) -> str:
    return f"<![CDATA[{_legal(text).replace(']]>', ']]]]><![CDATA[>')}]]>"


def _attribute(text: str) -> str:
    """Return a quoted attribute value."""
    return quoteattr(_legal(text))


def _legal(text: str) -> str:
    """Return a text without characters that XML does not allow."""
    return _NOT_IN_XML.sub("", text)
