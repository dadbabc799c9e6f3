"""Banner markup: HTML."""

from __future__ import annotations

import html

from rtb.campaigns.creative import Creative
from rtb.markup.template import MarkupTemplate

_CLICK_URL = "{click_url}"


def banner_markup(creative: Creative) -> MarkupTemplate:
    """Return a banner's own markup, or its image as a link."""
    if _CLICK_URL in creative.adm:
        return MarkupTemplate((tuple(creative.adm.split(_CLICK_URL)),))
    if creative.adm:
        return _link(creative.adm)
    image = html.escape(creative.image_url, quote=True)
    picture = f'<img src="{image}" width="{creative.w}" height="{creative.h}" alt="">'
    return _link(picture)


def _link(shown: str) -> MarkupTemplate:
    return MarkupTemplate((('<a target="_blank" href="', f'">{shown}</a>'),))
