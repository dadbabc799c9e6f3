"""Landing pages in redirects: ASCII, and the same page."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.settlement.landing import landing_with


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://shop.example", "https://shop.example?t=1"),
        ("https://shop.example/a?b=c&d=%20e&b=f#top", "https://shop.example/a?b=c&d=%20e&b=f&t=1#top"),
        ("https://shop.example/summer sale", "https://shop.example/summer%20sale?t=1"),
        (
            "https://shop.example/größe?q=für#größe",
            "https://shop.example/gr%C3%B6%C3%9Fe?q=f%C3%BCr&t=1#gr%C3%B6%C3%9Fe",
        ),
        ("https://shop.example/靴", "https://shop.example/%E9%9D%B4?t=1"),
        ("https://bücher.example:8443/", "https://xn--bcher-kva.example:8443/?t=1"),
        ("https://faß.example/", "https://xn--fa-hia.example/?t=1"),
        ("https://☃.example/", "https://xn--n3h.example/?t=1"),
        ("https://shop.example/100%?a=50%&b=%zz", "https://shop.example/100%25?a=50%25&b=%25zz&t=1"),
        ("https://shop.example/a|b\\c?d={e}[f]", "https://shop.example/a%7Cb%5Cc?d=%7Be%7D%5Bf%5D&t=1"),
        ("http://[2001:db8::1]:81/a", "http://[2001:db8::1]:81/a?t=1"),
        ("https://user:pass@shop.example/", "https://user:pass@shop.example/?t=1"),
        ("https://shop.example/?u=https://b.example/?c=d", "https://shop.example/?u=https://b.example/?c=d&t=1"),
        ("https://shop.example/a\r\nset-cookie: b=c", "https://shop.example/aset-cookie:%20b=c?t=1"),
    ],
)
def test_a_location_is_the_page_in_ascii(url: str, location: str):
    assert landing_with(url, "t=1") == location


@given(path=st.text(max_size=40), query=st.text(max_size=40))
def test_whatever_a_page_is_called_its_location_can_stand_in_a_header(path: str, query: str):
    url = f"https://shop.example/{path}?{query}"
    location = landing_with(url, "t=1")
    assert re.fullmatch(r"[!-~]+", location)
    parts, before = urlsplit(location), urlsplit(url)
    assert unquote(parts.path) == unquote(before.path)
    assert parse_qs(parts.query)["t"][-1] == "1"
