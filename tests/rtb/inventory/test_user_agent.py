"""What a header and an address say at a glance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.inventory.user_agent import browser_of, network_of

_TAIL = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "browser"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0) {_TAIL}", "chrome"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_TAIL} Edg/140.0", "edge"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_TAIL} OPR/120.0.0.0", "opera"),
        (f"Mozilla/5.0 (Linux; Android 15; Pixel 9; wv) {_TAIL}", "webview"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1", "safari"),
        ("Mozilla/5.0 (Linux; U; Android 4.0.3) AppleWebKit/534.30 Version/4.0 Mobile Safari/534.30", "safari"),
        ("Mozilla/5.0 (Linux; Android 4.2)", "other"),
        ("Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/140.0", "firefox"),
        ("Mozilla/5.0 (Windows NT 6.1) MSIE 9.0", "ie"),
        ("AppleTV11,1/18.5", "other"),
        ("edge", "edge"),
        ("edg", "edge"),
        ("; wv)", "webview"),
        ("", "other"),
    ],
)
def test_browser_is_what_it_is_and_not_whom_it_pretends_to_be(agent: str, browser: str) -> None:
    assert browser_of(agent) == browser


@pytest.mark.parametrize(
    ("address", "network"), [("203.0.113.7", "203.0"), ("2001:DB8::1", "2001:db8"), ("localhost", ""), ("", "")]
)
def test_network_is_the_beginning_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.ip_addresses())
def test_network_does_not_tell_the_host(address: object) -> None:
    assert len(network_of(str(address))) < len(str(address))
