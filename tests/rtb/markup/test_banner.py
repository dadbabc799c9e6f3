"""Banner markup: the click URL goes where it belongs, and nothing breaks out of an attribute."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.inventory.slots import BannerSlot
from rtb.markup import markup_of
from tests.rtb.builders import make_campaign, make_creative

_CLICK = "https://bid.example/notice/click/t.o-k_en"


def _markup(**fields: Any) -> str:
    template = markup_of(BannerSlot(), make_campaign(), make_creative(**fields), "https://bid.example")
    return template.filled(_CLICK, "0000000000000001-1")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    ("adm", "markup"),
    [
        ("<b>x</b>", f'<a target="_blank" href="{_CLICK}"><b>x</b></a>'),
        ('<a href="{click_url}">x</a><a href="{click_url}">y</a>', f'<a href="{_CLICK}">x</a><a href="{_CLICK}">y</a>'),
        ('<a href="${CLICK}{click_url}">${AUCTION_ID}</a>', f'<a href="${{CLICK}}{_CLICK}">${{AUCTION_ID}}</a>'),
    ],
)
def test_own_markup_is_kept(adm: str, markup: str) -> None:
    assert _markup(adm=adm) == markup


@given(st.text(min_size=1) | st.sampled_from(['"><script>', "a&amp;b", "'", "https://cdn.example/a.png?a=1&b=2"]))
def test_picture_is_a_link_whatever_its_address(url: str) -> None:
    parser = _Tags()
    parser.feed(_markup(image_url=url))
    parser.close()
    (link, at), (image, shown) = parser.seen
    assert (link, at["href"], image, shown["width"], shown["height"]) == ("a", _CLICK, "img", "300", "250")
    assert (shown["src"] or "").split() == url.replace("\x00", "�").split() or shown["src"] == url
