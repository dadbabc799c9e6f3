"""The codec: tidy and untidy requests are read, bad ones are refused with a reason, and nothing else happens."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rtb.openrtb import Bid, BidRequest, BidResponse, InvalidRequest, SeatBid, decode_request, encode_response
from rtb.openrtb.native import read_native
from simulation.exchange.rules.validity import faults
from tests.rtb.builders import make_request, to_json
from tests.support import SHARED_DATA, examples, require

_REASONS = {
    "not_json",
    "wrong_type",
    "no_id",
    "no_imp",
    "no_imp_id",
    "several_inventories",
    "duplicate_imp_id",
    "bad_floor",
    "bad_tmax",
    "bad_gdpr",
    "no_format",
    "no_mimes",
    "no_deal_id",
    "bad_native",
    "negative",
    "too_many",
}
_BANNER = {"w": 300, "h": 250}
_NATIVE = '{"assets":[{"id":1,"title":{"len":25}}]}'
_PLAYED: dict[str, Any] = {
    "minduration": 5,
    "maxduration": 30,
    "rqddurs": [15],
    "startdelay": -1,
    "maxseq": 3,
    "poddur": 90,
    "slotinpod": -1,
    "mincpmpersec": 0.2,
    "durfloors": [{"mindur": 5, "maxdur": 15, "bidfloor": 2.5}],
    "protocols": [2, 3],
    "battr": [3],
    "minbitrate": 300,
    "maxbitrate": 1500,
    "delivery": [2],
    "api": [7],
}
_AUDIO = {**_PLAYED, "mimes": ["audio/mpeg"], "feed": 1}
_VIDEO = {
    **_PLAYED,
    "mimes": ["video/mp4"],
    "w": 640,
    "h": 360,
    "plcmt": 1,
    "linearity": 1,
    "skip": 1,
    "skipmin": 10,
    "skipafter": 5,
    "boxingallowed": 0,
    "playbackmethod": [1],
}
_FULL: dict[str, Any] = {
    "id": "request",
    "imp": [
        {
            "id": "1",
            "banner": {
                "w": 300,
                "h": 250,
                "format": [{"w": 728, "h": 90}, {"wratio": 6, "hratio": 5, "wmin": 300}],
                "battr": [3],
                "btype": [1],
                "pos": 1,
                "mimes": ["image/png"],
                "api": [5],
            },
            "pmp": {
                "private_auction": 0,
                "deals": [{"id": "deal", "bidfloor": 1.5, "wseat": ["seat"], "guar": 1, "at": 3}],
            },
            "bidfloor": 0.25,
            "bidfloorcur": "USD",
            "secure": 1,
        },
        {"id": "2", "video": _VIDEO, "rwdd": 1},
        {"id": "3", "native": {"request": _NATIVE, "ver": "1.2", "api": [5]}, "audio": _AUDIO},
        {"id": "4", "native": {"assets": [{"id": 1, "title": {"len": 25}}]}},
    ],
    "site": {"id": "s", "domain": "news.example", "cat": ["IAB1"], "publisher": {"id": "p", "domain": "pub.example"}},
    "device": {"ua": "x", "geo": {"country": "USA", "region": "CA"}, "devicetype": 2, "dnt": 0, "lmt": 0},
    "user": {"id": "u", "data": [{"id": "d", "segment": [{"id": "s1"}]}], "ext": {"consent": "CPc"}},
    "at": 1,
    "tmax": 120,
    "cur": ["USD"],
    "bcat": ["IAB25"],
    "badv": ["rival.example"],
    "regs": {"coppa": 0, "gdpr": 1, "us_privacy": "1YNN", "gpp_sid": [], "ext": {"gdpr": 1}},
}


_LISTS_OF_NUMBERS: list[tuple[Any, list[int] | None]] = [
    (["1,2"], [1, 2]),
    ("1;2", [1, 2]),
    ("[1, 2]", [1, 2]),
    ([[1], [2, "3"]], [1, 2, 3]),
    ({"0": 1, "5": "2"}, [1, 2]),
    ({}, None),
    ("", None),
]


def _decode(**fields: Any) -> BidRequest:
    return decode_request(to_json(make_request(**fields)))


def _decode_imp(**fields: Any) -> Any:
    return _decode(imp=[{"id": "1", "banner": _BANNER, **fields}]).imp[0]


def _refusal(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body)
    return caught.value


def test_tidy_request_is_read_whole() -> None:
    request = decode_request(to_json(_FULL))

    def covers(wanted: Any, got: Any) -> bool:
        if isinstance(wanted, dict):
            return all(covers(value, _of(got, name)) for name, value in wanted.items())
        if isinstance(wanted, list):
            return len(wanted) == len(got) and all(map(covers, wanted, got))
        return bool(wanted == got)

    assert covers(_FULL, request)


def _of(got: Any, name: str) -> Any:
    return got[name] if isinstance(got, dict) else getattr(got, name)


def test_absent_fields_have_the_defaults_of_the_specification() -> None:
    request = decode_request(b'{"id": "r", "imp": [{"id": "1", "banner": {}}]}')
    imp = request.imp[0]
    assert (request.at, request.test, request.tmax, request.site) == (0, 0, None, None)
    assert (imp.bidfloor, imp.bidfloorcur, imp.instl, imp.secure, imp.video) == (0.0, "USD", 0, None, None)


def test_unknown_fields_are_skipped() -> None:
    assert _decode(ext={"deep": [{"er": 1}]}, is_test=False).id == "request"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"secure": "1"}, {"secure": 1}),
        ({"secure": "1.0"}, {"secure": 1}),
        ({"secure": 1.0}, {"secure": 1}),
        ({"secure": True}, {"secure": 1}),
        ({"secure": ""}, {"secure": None}),
        ({"secure": None}, {"secure": None}),
        ({"instl": None}, {"instl": 0}),
        ({"instl": ""}, {"instl": 0}),
        ({"bidfloor": "1.25"}, {"bidfloor": 1.25}),
        ({"bidfloor": 2}, {"bidfloor": 2.0}),
        ({"bidfloor": None}, {"bidfloor": 0.0}),
        ({"bidfloor": ""}, {"bidfloor": 0.0}),
        ({"bidfloor": " "}, {"bidfloor": 0.0}),
        ({"bidfloorcur": None}, {"bidfloorcur": "USD"}),
        ({"id": 17}, {"id": "17"}),
        ({"tagid": 5}, {"tagid": "5"}),
        ({"tagid": 2**60 + 1}, {"tagid": str(2**60 + 1)}),
        ({"pmp": None}, {"pmp": None}),
    ],
)
def test_untidy_impression_is_read(sent: dict[str, Any], read: dict[str, Any]) -> None:
    imp = _decode_imp(**sent)
    assert {name: getattr(imp, name) for name in read} == read


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"bcat": [7, 26]}, {"bcat": ["7", "26"]}),
        ({"bcat": "IAB7"}, {"bcat": ["IAB7"]}),
        ({"bcat": 7}, {"bcat": ["7"]}),
        ({"bcat": None}, {"bcat": None}),
        ({"bcat": ""}, {"bcat": None}),
        ({"bcat": ["IAB7", None]}, {"bcat": ["IAB7"]}),
        ({"cur": "USD"}, {"cur": ["USD"]}),
        ({"id": 9}, {"id": "9"}),
        ({"at": "1"}, {"at": 1}),
        ({"at": 1.0}, {"at": 1}),
        ({"at": None}, {"at": 0}),
        ({"tmax": "120"}, {"tmax": 120}),
        ({"tmax": 0}, {"tmax": 0}),
        ({"site": None}, {"site": None}),
        ({"user": None}, {"user": None}),
        ({"site": "news.example"}, {"site": None}),
        ({"site": ""}, {"site": None}),
        ({"regs": ""}, {"regs": None}),
        ({"device": ""}, {"device": None}),
        ({"bcat": {}}, {"bcat": None}),
        ({"bcat": {"0": "IAB7", "3": 26}}, {"bcat": ["IAB7", "26"]}),
        ({"bcat": [["IAB7"], [26, None]]}, {"bcat": ["IAB7", "26"]}),
        ({"imp": {"0": {"id": "1", "banner": {}}}, "at": 2}, {"at": 2}),
        ({"user": 42}, {"user": None}),
        ({"id": 1, "imp": {"id": 1, "banner": {}}}, {"id": "1"}),
    ],
)
def test_untidy_request_is_read(sent: dict[str, Any], read: dict[str, Any]) -> None:
    request = _decode(**sent)
    assert {name: getattr(request, name) for name in read} == read


@pytest.mark.parametrize(
    ("battr", "read"),
    [(None, None), ([], []), ([None], []), (3, [3]), ("3", [3]), (["3", 4.0], [3, 4]), *_LISTS_OF_NUMBERS],
)
def test_untidy_list_of_integers_is_read(battr: Any, read: list[int] | None) -> None:
    assert _decode_imp(banner={**_BANNER, "battr": battr}).banner.battr == read


def test_sizes_of_other_types_are_read() -> None:
    banner = _decode_imp(banner={"w": "300", "h": 250.0, "format": {"w": "728", "h": 90}}).banner
    assert (banner.w, banner.h, banner.format[0].w, banner.format[0].h) == (300, 250, 728, 90)


@pytest.mark.parametrize("w", [2**31, -(2**31) - 1, 2**61 - 1, 10**400, "2147483648", 1e300])
def test_integer_beyond_its_range_is_refused_where_it_binds_and_left_out_where_it_describes(w: Any) -> None:
    refusal = _refusal(to_json(make_request(imp=[{"id": "1", "banner": {"w": w, "h": 1}}])))
    assert (refusal.reason, "$.imp[0].banner.w" in str(refusal)) == ("wrong_type", True)
    device = _decode(device={"devicetype": w, "os": "iOS"}).device
    assert device is not None
    assert (device.devicetype, device.os) == (None, "iOS")


def test_what_describes_and_cannot_be_read_is_left_out_alone() -> None:
    request = _decode(
        device={"devicetype": "phone", "os": "iOS", "geo": "somewhere"},
        site={"domain": "news.example", "cat": [{"no": "category"}], "publisher": 5, "name": ["a", "b"]},
        user={"id": {}, "data": [{"segment": [{"id": 7}]}]},
    )
    device, site, user = request.device, request.site, request.user
    assert device is not None and site is not None and user is not None
    assert (device.devicetype, device.os, device.geo) == (None, "iOS", None)
    assert (site.domain, site.cat, site.publisher) == ("news.example", None, None)
    assert site.name == "a,b"
    assert user.id is None
    assert [segment.id for data in user.data or [] for segment in data.segment or []] == ["7"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": ""}, "no_id"),
        ({"imp": []}, "no_imp"),
        ({"imp": [{"id": ""}]}, "no_imp_id"),
        ({"imp": [{"id": "1"}, {"id": "1"}]}, "duplicate_imp_id"),
        ({"imp": [{"id": 1}, {"id": "1"}]}, "duplicate_imp_id"),
        ({"app": {"id": "a"}}, "several_inventories"),
        ({"dooh": {"id": "d"}}, "several_inventories"),
        ({"imp": [{"id": "1", "bidfloor": -0.01}]}, "bad_floor"),
        ({"imp": [{"id": "1", "bidfloor": "nan"}]}, "bad_floor"),
        ({"imp": [{"id": "1", "bidfloor": "inf"}]}, "bad_floor"),
        ({"imp": [{"id": "1", "bidfloor": 1e9}]}, "bad_floor"),
        ({"imp": [{"id": "1"}]}, "no_format"),
        ({"imp": [{"id": "1", "banner": {"w": -1}}]}, "negative"),
        ({"imp": [{"id": "1", "banner": {"format": [{"wratio": -1}]}}]}, "negative"),
        ({"imp": [{"id": "1", "video": {"w": 640}}]}, "no_mimes"),
        ({"imp": [{"id": "1", "audio": {"mimes": []}}]}, "no_mimes"),
        ({"imp": [{"id": "1", "banner": {}, "pmp": {"deals": [{"id": ""}]}}]}, "no_deal_id"),
        ({"imp": [{"id": "1", "banner": {}, "pmp": {"deals": [{"id": "d", "bidfloor": -1}]}}]}, "bad_floor"),
        ({"imp": [{"id": "1", "native": {}}]}, "bad_native"),
        ({"imp": [{"id": "1", "native": {"request": "{}"}}]}, "bad_native"),
        ({"regs": {"gdpr": 2}}, "bad_gdpr"),
        ({"user": {"consent": 2}}, "wrong_type"),
        ({"tmax": -1}, "bad_tmax"),
        ({"tmax": 10**30}, "wrong_type"),
        ({"id": 1, "tmax": 10**400}, "wrong_type"),
        ({"id": ...}, "wrong_type"),
        ({"id": None}, "wrong_type"),
        ({"id": {}}, "wrong_type"),
        ({"imp": ...}, "wrong_type"),
        ({"imp": "banner"}, "wrong_type"),
        ({"imp": [{}]}, "wrong_type"),
        ({"imp": [{"id": "1", "bidfloor": "low"}]}, "wrong_type"),
        ({"imp": [{"id": "1", "bidfloor": []}]}, "wrong_type"),
        ({"id": 1, "imp": [{"id": "1", "bidfloor": 10**400}]}, "wrong_type"),
        ({"imp": [{"id": "1", "banner": "300x250"}]}, "wrong_type"),
        ({"imp": [{"id": "1", "banner": {"w": 300.5}}]}, "wrong_type"),
        ({"imp": [{"id": "1", "native": "{}"}]}, "wrong_type"),
        ({"bcat": {"IAB7": 1}}, "wrong_type"),
        ({"bcat": [["IAB7"], [True]]}, "wrong_type"),
        ({"imp": [{"id": "1", "banner": {"battr": True}}]}, "wrong_type"),
        ({"imp": [{"id": "1", "banner": {"battr": ["1, x"]}}]}, "wrong_type"),
        ({"imp": [{"id": "1", "banner": ""}]}, "no_format"),
        ({"imp": {}}, "wrong_type"),
        ({"bcat": [{}]}, "wrong_type"),
        ({"regs": "coppa"}, "wrong_type"),
        ({"regs": {"coppa": "yes"}}, "wrong_type"),
        ({"tmax": 1.5}, "wrong_type"),
        ({"at": "first"}, "wrong_type"),
    ],
)
def test_bad_request_is_refused_with_its_reason(fields: dict[str, Any], reason: str) -> None:
    assert _refusal(to_json(make_request(**fields))).reason == reason


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"imp": [{"id": "1"}, {"id": "2", "banner": {"w": "wide"}}]}, "$.imp[1].banner.w"),
        ({"regs": {"coppa": "yes"}}, "$.regs.coppa"),
        ({"bcat": ["IAB1", {}]}, "$.bcat[1]"),
    ],
)
def test_refusal_names_the_place(fields: dict[str, Any], path: str) -> None:
    assert path in str(_refusal(to_json(make_request(**fields))))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"bid!", "not_json"),
        (b'{"id": "r", "imp": [{"id": "1"}]} x', "not_json"),
        (b'{"id": "r", "imp": [{"id": "1", "bidfloor": NaN}]}', "not_json"),
        (b'{"id": "r", "imp": [{"id": "1", "bidfloor": Infinity}]}', "not_json"),
        (b'{"id": "\xff", "imp": [{"id": "1"}]}', "wrong_type"),
        (b'{"id": "\\ud800", "imp": [{"id": "1"}]}', "wrong_type"),
        (b'{"id": {}, "imp": [', "not_json"),
        (b'{"id": {}, "imp": [{"id": "\xff"}]}', "wrong_type"),
        (b'{"id": "r", "imp": ' + b"[" * 100_000, "not_json"),
        (b'{"id": 1, "x": ' + b'{"y":' * 100_000, "not_json"),
        (b"[]", "wrong_type"),
        (b"null", "wrong_type"),
        (b'"request"', "wrong_type"),
        (b'{"id": "r", "imp": [{"id": "1", "bidfloor": 1e999}]}', "bad_floor"),
    ],
)
def test_body_that_is_no_request_is_refused(body: bytes, reason: str) -> None:
    assert _refusal(body).reason == reason


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", "1", "-1", "nan", "1e999", "USD", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _places(inner, (*path, key))


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    """Draw a valid request with some of its values replaced or wrapped, and sometimes a byte of it."""
    request = copy.deepcopy(_FULL)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(_places(request))))
        parent: Any = request
        for key in path[:-1]:
            parent = parent[key]
        change = draw(st.sampled_from(["replace", "wrap", "text", "nest"]))
        old = parent[path[-1]]
        if change == "replace":
            parent[path[-1]] = draw(_JSON)
        elif change == "wrap":
            parent[path[-1]] = [old]
        elif change == "text":
            parent[path[-1]] = json.dumps(old)
        else:
            for _ in range(draw(st.sampled_from([2, 60, 400]))):
                old = [old]
            parent[path[-1]] = old
    body = bytearray(json.dumps(request).encode())
    if draw(st.booleans()):
        place = draw(st.integers(0, len(body) - 1))
        body[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(body)


def _is_read_or_refused(body: bytes) -> None:
    try:
        request = decode_request(body)
    except InvalidRequest as error:
        assert error.reason in _REASONS
        assert str(error)
    else:
        assert request.id
        assert request.imp
        assert len({imp.id for imp in request.imp}) == len(request.imp)
        assert all(0 <= imp.bidfloor < 1e9 for imp in request.imp)


@settings(max_examples=examples(600))
@given(_mutated())
def test_mutated_request_is_read_or_refused(body: bytes) -> None:
    _is_read_or_refused(body)


@settings(max_examples=examples(200))
@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf{}")
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    _is_read_or_refused(body)


@settings(max_examples=examples(200))
@given(_JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    _is_read_or_refused(to_json(value))


@given(st.integers(0, len(to_json(_FULL)) - 1))
def test_request_cut_short_is_refused(length: int) -> None:
    assert _refusal(to_json(_FULL)[:length]).reason == "not_json"


def test_response_leaves_out_what_is_absent() -> None:
    response = BidResponse("r", [SeatBid([Bid(id="b", impid="1", price=1.25, w=300)], "seat")], bidid="b", cur="USD")
    assert json.loads(encode_response(response)) == {
        "id": "r",
        "seatbid": [{"bid": [{"id": "b", "impid": "1", "price": 1.25, "w": 300}], "seat": "seat"}],
        "bidid": "b",
        "cur": "USD",
    }


def _real(name: str) -> list[dict[str, Any]]:
    path = SHARED_DATA / "openrtb" / name
    require(path.exists(), f"real requests in {path}")
    return [json.loads(line)["request"] for line in path.read_text(encoding="utf-8").splitlines()]


def _outcome(request: dict[str, Any]) -> str:
    try:
        decode_request(to_json(request))
    except InvalidRequest as error:
        return f"{error.reason}: {error}"
    return ""


def test_requests_of_a_real_exchange_are_read() -> None:
    requests = [request for request in _real("xrtb_requests.jsonl") if not any(faults(request))]
    assert len(requests) > 500
    assert {_outcome(request) for request in requests} == {""}


def test_real_requests_without_an_id_are_refused() -> None:
    assert all(_outcome(request) for request in _real("xrtb_requests.jsonl") if not request.get("id"))


def test_requests_of_prebid_are_read_unless_they_break_a_rule() -> None:
    requests = [request for request in _real("prebid_requests.jsonl") if not any(faults(request))]
    assert len(requests) > 1_600
    assert {_outcome(request) for request in requests} == {""}


@pytest.mark.parametrize("device", ["phone", [1], {"dnt": "yes"}, {"lmt": {}}])
def test_a_privacy_signal_that_cannot_be_read_is_not_taken_for_none(device: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        decode_request(to_json(make_request(device=device)))
    assert refusal.value.reason == "wrong_type"


_IMP = b'"imp": [{"id": "1", "banner": {"w": 300, "h": 250}}]'


@pytest.mark.parametrize(
    "unread",
    [
        rb'"\ud800"',
        rb'"\udc00"',
        rb'"cut \uD83D"',
        rb'"\ud83d\ud83d\ude00"',
        rb'"\ud83d\n"',
        rb'{"\udfff": ["\ud800\ud800", 1]}',
        b'"\xed\xa0\x80"',
    ],
)
@pytest.mark.parametrize("tmax", [b"100", b'" 100 "'])  # by the typed decode, and by the lenient one
def test_half_a_character_where_nothing_is_read_is_nobodys_business(unread: bytes, tmax: bytes) -> None:
    body = b'{"id": "r", "ext": {"x": %s}, "site": {"name": "\\\\ud800"}, "tmax": %s, %s}' % (unread, tmax, _IMP)
    request = decode_request(body)
    assert request.tmax == 100
    assert request.site is not None
    assert request.site.name == "\\ud800"  # an escaped backslash, which begins no escape


def test_half_a_character_is_dropped_where_it_describes_and_refused_where_it_binds() -> None:
    read = decode_request(
        rb'{"id": "r", "site": {"name": "\ud800", "domain": "a.example"}, "user": {"id": "\udc00"}, ' + _IMP + b"}"
    )
    assert read.site is not None
    assert (read.site.name, read.site.domain) == (None, "a.example")
    assert read.user is not None
    assert read.user.id is None
    whole = decode_request(rb'{"id": "r", "site": {"name": "\ud83d\ude00"}, "ext": "\ud800", ' + _IMP + b"}")
    assert whole.site is not None
    assert whole.site.name == "\U0001f600"
    for binding in (rb'"badv": ["\ud800"]', rb'"cur": ["US\ud800"]', rb'"regs": {"us_privacy": "\ud800"}'):
        assert _refusal(b'{"id": "r", %s, %s}' % (binding, _IMP)).reason == "wrong_type"


@pytest.mark.parametrize("tmax", [b"100", b'" 100 "'])
def test_a_byte_order_mark_is_no_part_of_a_request(tmax: bytes) -> None:
    assert decode_request(b'\xef\xbb\xbf{"id": "r", "tmax": %s, %s}' % (tmax, _IMP)).id == "r"
    assert _refusal(b"\xef\xbb\xbf").reason == "not_json"


@pytest.mark.parametrize(
    "asked",
    [
        '\ufeff{"assets": [{"id": 1, "title": {"len": 25}}]}',
        r'{"assets": [{"id": 1, "title": {"len": 25}}], "ext": "\ud800"}',
    ],
)
def test_a_native_request_is_repaired_as_well(asked: str) -> None:
    native = _decode_imp(native={"request": asked}).native
    found = read_native(native.request)
    assert found is not None
    assert len(found.request.assets or ()) == 1


@pytest.mark.parametrize("name", ["site", "device", "user", "regs", "source", "ext"])
def test_an_empty_list_is_an_empty_object(name: str) -> None:
    plain, listed = _decode(**{name: {}}), _decode(**{name: []})
    assert plain == listed


def test_an_empty_list_is_an_empty_object_at_any_depth() -> None:
    read = _decode(
        imp=[{"id": "1", "banner": _BANNER, "pmp": [], "ext": []}],
        device={"geo": [], "ext": [], "os": "iOS"},
        user={"ext": [], "id": "u"},
        regs={"ext": [], "coppa": 1},
        app=...,
    )
    assert read.imp[0].pmp is not None
    assert not read.imp[0].pmp.deals
    assert (read.device and read.device.os, read.user and read.user.id, read.regs and read.regs.coppa) == (
        "iOS",
        "u",
        1,
    )
    assert _refusal(to_json(make_request(imp=[[]]))).reason == "wrong_type"
    assert _refusal(to_json(make_request(regs=[1]))).reason == "wrong_type"
    assert _refusal(to_json(make_request(imp=[{"id": "1", "video": []}]))).reason == "no_mimes"


@pytest.mark.parametrize(
    "number", ["1_000", "1_0", "0x64", "\u0661\u0660\u0660", "1,000", "1e", "--1", "1 000", "1.0.0", "inf", "nan", "+"]
)
def test_what_only_python_reads_as_a_number_is_none(number: str) -> None:
    assert _refusal(to_json(make_request(tmax=number))).reason == "wrong_type"
    floor = to_json(make_request(imp=[{"id": "1", "banner": _BANNER, "bidfloor": number}]))
    assert _refusal(floor).reason in ("wrong_type", "bad_floor")
    device = _decode(device={"devicetype": number, "os": "iOS"}).device
    assert device is not None
    assert (device.devicetype, device.os) == (None, "iOS")


@pytest.mark.parametrize(
    ("number", "floor"),
    [
        ("1.5", 1.5),
        (" 1.5 ", 1.5),
        ("+1.5", 1.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("1.5E+0", 1.5),
        ("15e-1", 1.5),
        ("\t1\n", 1.0),
    ],
)
def test_a_number_in_a_text_is_a_number(number: str, floor: float) -> None:
    assert _decode_imp(bidfloor=number).bidfloor == floor


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"1e3", "1000"),
        (b"1E+3", "1000"),
        (b"1000.0", "1000"),
        (b"-7", "-7"),
        (b"1.5", "1.5"),
        (b"0", "0"),
        (b"9007199254740993", "9007199254740993"),
        (b"18446744073709551616", "18446744073709551616"),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
    ],
)
def test_an_id_that_is_a_number_is_its_digits(sent: bytes, read: str) -> None:
    request = decode_request(b'{"id": %s, "imp": [{"id": %s, "banner": {}, "tagid": %s}]}' % (sent, sent, sent))
    assert (request.id, request.imp[0].id, request.imp[0].tagid) == (read, read, read)


@pytest.mark.parametrize("sent", [b"true", b"false", b"1e400", b"{}", b'{"a": 1}'])
def test_an_id_that_is_no_text_and_no_number_is_refused(sent: bytes) -> None:
    assert _refusal(b'{"id": %s, %s}' % (sent, _IMP)).reason == "wrong_type"


def test_one_id_that_cannot_be_read_costs_none_of_the_others() -> None:
    good = {"source": "id.example", "uids": [{"id": 5}, 7, {"id": []}, {"id": "x"}]}
    data = [None, 1, {"segment": [2, {"id": "s"}]}]
    user = _decode(user={"eids": [3, {"source": {}, "uids": "none"}, good], "data": data}).user
    assert user is not None
    eids = [(eid.source, [uid.id for uid in eid.uids or ()]) for eid in user.eids or ()]
    assert eids == [(None, []), ("id.example", ["5", "", "x"])]
    assert [[segment.id for segment in one.segment or ()] for one in user.data or ()] == [["s"]]


@pytest.mark.parametrize("name", [b"caf\xe9", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98"])
def test_bytes_that_are_no_text_are_dropped_where_they_describe_and_refused_where_they_bind(name: bytes) -> None:
    body = b'{"id": "r", "imp": [{"id": "1", "banner": {}}], "site": {"name": "%s", "domain": "a.example"}, "x": "%s"}'
    site = decode_request(body % (name, name)).site
    assert site is not None
    assert (site.name, site.domain) == (None, "a.example")
    assert _refusal(b'{"id": "r", "imp": [{"id": "1", "banner": {}}], "badv": ["%s"]}' % name).reason == "wrong_type"


def test_nested_lists_count_together() -> None:
    nested = [[f"IAB{n}"] * 60 for n in range(20)]
    assert _refusal(to_json(make_request(bcat=nested))).reason == "too_many"
