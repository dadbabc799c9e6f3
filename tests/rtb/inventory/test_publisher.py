"""A site is one publisher however it is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.inventory.publisher import inventory_of, publisher_names
from rtb.openrtb import decode_request
from tests.rtb.builders import make_request, to_json


def _read(**fields: Any) -> tuple[str, str]:
    return inventory_of(decode_request(to_json(make_request(**fields))))


@pytest.mark.parametrize(
    "site",
    [
        {"domain": "news.example"},
        {"domain": "News.Example."},
        {"domain": " www.news.example "},
        {"domain": "news.example:8080"},
        {"domain": "https://www.news.example/section?x=1"},
        {"page": "https://news.example/a/b?c#d"},
        {"page": "https://www.News.example:8443/"},
        {"page": "//news.example"},
        {"page": "news.example/a"},
        {"page": "http://user:secret@news.example/"},
        {"page": "https://news.example?a=//other.example/"},
        {"page": "https://news.example#top"},
        {"domain": "", "page": "https://news.example/"},
        {"domain": None, "page": "https://news.example/", "publisher": {"domain": "owner.example"}},
        {"page": "about:blank", "publisher": {"domain": "www.news.example"}},
        {"page": "", "publisher": {"domain": "news.example:443"}},
        {"domain": "null", "page": "https://news.example/"},
        {"domain": "www.", "page": "https://www.news.example/"},
        {"page": "https:/news.example/x"},
        {"page": " http%3A%2F%2Fwww.news.example%2Fx"},
        {"page": "HTTPS://WWW.NEWS.EXAMPLE.:443"},
        {"page": "https://news.example\\x"},
        {"page": "https://[broken", "publisher": {"domain": "news.example"}, "id": "s"},
    ],
)
def test_a_site_is_its_domain(site: dict[str, Any]) -> None:
    assert _read(site=site) == ("site", "news.example")


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"site": {"page": "about:blank", "id": "S1"}}, ("site", "s1")),
        ({"site": {"page": "https://localhost/x"}}, ("site", "")),
        ({"site": {"domain": "localhost"}}, ("site", "localhost")),
        ({"site": {"page": "https://bücher.example/x"}}, ("site", "xn--bcher-kva.example")),
        ({"site": {"page": "https://203.0.113.7/x"}}, ("site", "203.0.113.7")),
        ({"site": ..., "app": {"bundle": " com.Example.App "}}, ("app", "com.example.app")),
        ({"site": ..., "app": {"bundle": "123456789"}}, ("app", "123456789")),
        ({"site": ..., "app": {"domain": "www.app.example:80"}}, ("app", "app.example")),
        ({"site": ..., "dooh": {"domain": "www.screens.example"}}, ("dooh", "screens.example")),
        ({"site": ..., "dooh": {"id": "D1"}}, ("dooh", "d1")),
    ],
)
def test_the_best_name_there_is_counts(fields: dict[str, Any], read: tuple[str, str]) -> None:
    assert _read(**fields) == read


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("https://www.News.example:8080/", "news.example"),
        ("com.Example.App", "com.example.app"),
        ("S1", "s1"),
    ],
)
def test_campaigns_find_publishers_in_any_spelling(name: str, spellings: str) -> None:
    assert spellings in publisher_names(name)


@given(st.text(max_size=60))
def test_whatever_a_page_is_no_publisher_is_an_address(page: str) -> None:
    _, publisher = _read(site={"page": page})
    assert not {"/", "?", "#", "@"} & set(publisher)
