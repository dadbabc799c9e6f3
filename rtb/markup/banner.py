"""Banner markup: HTML."""

from __future__ import annotations

import html

from rtb.campaigns.creative import Creative

_CLICK_URL = "{click_url}"


def banner_markup(creative: Creative) -> list[str]:
    """Return a banner's own markup, or its image as a link, split wherever the click URL goes."""
    if _CLICK_URL in creative.adm:
        return creative.adm.split(_CLICK_URL)
    if creative.adm:
        return ['<a target="_blank" href="', f'">{creative.adm}</a>']
    image = html.escape(creative.image_url, quote=True)
    picture = f'<img src="{image}" width="{creative.w}" height="{creative.h}" alt="">'
    return ['<a target="_blank" href="', f'">{picture}</a>']
