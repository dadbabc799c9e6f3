"""A device is what it says, else what its client hints say, else what its header says."""

from __future__ import annotations

from typing import Any

import pytest

from rtb.inventory.impression import impressions_of
from rtb.openrtb import decode_request
from tests.rtb.builders import make_request, to_json

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_CHROME = f"{_WEBKIT} Chrome/140.0.0.0"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36"
PHONE = f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36"
TABLET = f"Mozilla/5.0 (Linux; Android 13; SM-X700) {_CHROME} Safari/537.36"
IPAD = f"Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) {_WEBKIT} Version/17.0 Mobile/1 Safari/604.1"
TIZEN = f"Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) {_WEBKIT} Version/6.0 TV Safari/537.36"
WEBOS = f"Mozilla/5.0 (Web0S; Linux/SmartTV) {_CHROME} Safari/537.36 WebAppManager"
CONSOLE = f"Mozilla/5.0 (PlayStation; PlayStation 5/2.26) {_WEBKIT} Version/13.0 Safari/605.1"
MAC = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Version/18.0 Safari/605.1"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
BRANDS = [{"brand": "Not?A_Brand", "version": ["8"]}, {"brand": "Chromium", "version": ["140"]}]


def _hints(platform: str | None = None, *, browser: str = "Google Chrome", **fields: Any) -> dict[str, Any]:
    named = {"platform": {"brand": platform}} if platform else {}
    return {"browsers": [*BRANDS, {"brand": browser, "version": ["140", "0"]}], **named, **fields}


def _read(**device: Any) -> tuple[int, str, str]:
    found, _ = impressions_of(decode_request(to_json(make_request(device=device))), 12, "USD", 1)
    audience = found[0].audience
    return audience.devicetype, audience.os, audience.browser


@pytest.mark.parametrize(
    ("device", "read"),
    [
        ({"ua": WINDOWS}, (2, "windows", "chrome")),
        ({"ua": PHONE}, (4, "android", "chrome")),
        ({"ua": TABLET}, (5, "android", "chrome")),
        ({"ua": IPHONE}, (4, "ios", "other")),
        ({"ua": IPAD}, (5, "ios", "safari")),
        ({"ua": TIZEN}, (3, "tizen", "safari")),
        ({"ua": WEBOS}, (3, "webos", "chrome")),
        ({"ua": f"Mozilla/5.0 (Linux; Android 9; AFTS) {_CHROME} Safari/537.36"}, (3, "android", "chrome")),
        ({"ua": "AppleTV11,1/18.5"}, (3, "tvos", "other")),
        ({"ua": "Roku/DVP-12.0 (12.0.0.4182-88)"}, (3, "roku", "other")),
        ({"ua": CONSOLE}, (6, "", "safari")),
        ({"ua": f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_CHROME} Safari/537.36"}, (2, "chrome os", "chrome")),
        ({"ua": MAC}, (2, "macos", "safari")),
        ({"ua": "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B Build/TP1A)"}, (1, "android", "other")),
        ({"ua": "curl/8.0"}, (0, "", "other")),
        ({"sua": _hints("Windows", mobile=0)}, (2, "windows", "chrome")),
        ({"ext": {"sua": _hints("Windows", mobile=0)}}, (2, "windows", "chrome")),
        ({"sua": _hints("macOS", mobile=0)}, (2, "macos", "chrome")),
        ({"sua": _hints("Linux")}, (2, "linux", "chrome")),
        ({"sua": _hints("Chrome OS")}, (2, "chrome os", "chrome")),
        ({"sua": _hints("Android", mobile=1)}, (4, "android", "chrome")),
        ({"sua": _hints("Android", mobile=0)}, (5, "android", "chrome")),
        ({"sua": _hints("Android", mobile=0, model="BRAVIA 4K UR2")}, (3, "android", "chrome")),
        ({"sua": _hints("iOS", mobile=1)}, (4, "ios", "chrome")),
        ({"sua": _hints("Windows", browser="Microsoft Edge")}, (2, "windows", "edge")),
        ({"sua": _hints("Android", browser="Samsung Internet", mobile=1)}, (4, "android", "samsung")),
        ({"sua": _hints("Windows", browser="Novelty")}, (2, "windows", "chrome")),
        ({"sua": {"mobile": 1}}, (4, "", "")),
        ({"sua": {}}, (0, "", "")),
        ({"sua": {"platform": {"brand": "MS"}, "model": "mac"}}, (0, "ms", "")),
    ],
)
def test_a_request_without_device_type_is_read(device: dict[str, Any], read: tuple[int, str, str]) -> None:
    assert _read(**device) == read
    assert _read(**device, devicetype=0) == read
    assert _read(**device, devicetype=-1) == read


def test_hints_count_before_the_header_and_both_after_what_the_request_says() -> None:
    assert _read(ua=WINDOWS, sua=_hints("Android", mobile=1)) == (4, "android", "chrome")
    assert _read(ua=PHONE, sua={"browsers": BRANDS}) == (4, "android", "chrome")
    assert _read(ua=PHONE, sua=_hints("Android")) == (4, "android", "chrome")
    assert _read(ua=WINDOWS, sua=_hints("Android", mobile=1), devicetype=3, os="tvOS") == (3, "tvos", "chrome")
    assert _read(ua=WINDOWS, devicetype=6) == (6, "windows", "chrome")
    assert _read(ua=WINDOWS, os="Other") == (2, "other", "chrome")


@pytest.mark.parametrize("sua", ["x", [], {"platform": "Windows"}, {"browsers": "Chrome"}, {"mobile": "yes"}, None])
def test_hints_that_cannot_be_read_leave_the_header(sua: Any) -> None:
    assert _read(ua=PHONE, sua=sua) == (4, "android", "chrome")


def test_a_screen_out_of_home_is_one() -> None:
    request = decode_request(to_json(make_request(site=..., device=..., dooh={"id": "d"})))
    assert impressions_of(request, 12, "USD", 1)[0][0].audience.devicetype == 8


def test_a_long_header_is_read_by_its_beginning() -> None:
    assert _read(ua=PHONE + "x" * 8_000) == (4, "android", "chrome")
