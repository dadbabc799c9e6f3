"""Requests and responses in binary form: read as JSON is, by the field numbers of the specification."""

from __future__ import annotations

import importlib.util
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.openrtb import Bid, BidResponse, InvalidRequest, SeatBid, decode_request
from rtb.openrtb.protobuf import decode_protobuf, encode_protobuf, generate
from rtb.openrtb.protobuf.schema import message_type
from rtb.openrtb.response import NoBidResponse
from rtb.privacy.permissions import allowed_user_data, set_gpc
from simulation.exchange.protobuf import from_message, to_message
from simulation.exchange.varied import varied_requests
from tests.rtb.builders import make_request, to_json
from tests.support import SHARED_DATA, require

_FIELDS = SHARED_DATA / "openrtb" / "fields-2.6.json"


@given(st.integers(min_value=0, max_value=2**32))
def test_a_request_is_read_alike_in_both_forms(seed: int) -> None:
    (request,) = varied_requests(seed, 1)
    if any(isinstance(imp.get("native", {}).get("request"), dict) for imp in request["imp"]):
        return  # whose numbers JSON and a message have in other types
    assert decode_protobuf(to_message(request)) == decode_request(msgspec.json.encode(request))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):  # none of them has an id and an imp
        decode_protobuf(body)


@given(st.integers(min_value=0, max_value=2**32), st.data())
def test_a_damaged_message_is_read_or_refused(seed: int, data: st.DataObject) -> None:
    (request,) = varied_requests(seed, 1)
    message = bytearray(to_message(request))
    place = data.draw(st.integers(min_value=0, max_value=len(message) - 1))
    message[place] = data.draw(st.integers(min_value=0, max_value=255))
    for body in (bytes(message), bytes(message[:place])):
        try:
            decode_protobuf(body)
        except InvalidRequest:
            continue


def test_unknown_fields_are_skipped_whatever_their_type() -> None:
    message = to_message(make_request())
    unknown = b"\xc0\x3e\x96\x01" + b"\xc1\x3e12345678" + b"\xc2\x3e\x03abc" + b"\xc5\x3e1234"
    assert decode_protobuf(unknown + message + unknown) == decode_protobuf(message)


def test_a_part_in_pieces_is_one() -> None:
    kind = message_type("BidRequest")
    whole = kind.FromString(to_message(make_request()))
    first = kind(device=kind.Device(ua="agent")).SerializeToString()
    second = kind(device=kind.Device(os="Linux", geo=kind.Geo(country="DEU"))).SerializeToString()
    whole.ClearField("device")
    read = decode_protobuf(whole.SerializeToString() + first + second)
    assert read.device is not None and read.device.geo is not None
    assert (read.device.ua, read.device.os, read.device.geo.country) == ("agent", "Linux", "DEU")


def test_of_a_choice_the_last_counts() -> None:
    kind = message_type("BidRequest")
    app = kind(app=kind.App(bundle="com.example")).SerializeToString()
    read = decode_protobuf(to_message(make_request()) + app)
    assert read.site is None
    assert read.app is not None


def test_lists_of_numbers_may_be_packed_or_not() -> None:
    request = make_request(imp=[{"id": "1", "banner": {"w": 300, "h": 250, "battr": [1, 300]}}])
    packed = to_message(request)
    assert b"\x32\x03\x01\xac\x02" in packed
    (imp,) = decode_protobuf(packed).imp
    assert imp.banner is not None and imp.banner.battr == [1, 300]
    banner = b"\x08\xac\x02\x10\xfa\x01\x30\x01\x30\xac\x02"  # w, h, and each number by itself
    (imp,) = decode_protobuf(b"\x0a\x01r\x12\x10\x0a\x011\x12" + bytes([len(banner)]) + banner).imp
    assert imp.banner is not None and imp.banner.battr == [1, 300]


def test_a_negative_number_is_one() -> None:
    video = {"mimes": ["video/mp4"], "startdelay": -1}
    (imp,) = decode_protobuf(to_message(make_request(imp=[{"id": "1", "video": video}]))).imp
    assert imp.video is not None and imp.video.startdelay == -1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"imp": []}, "wrong_type"),
        ({"id": "x" * 600}, "wrong_type"),
        ({"imp": [{"id": "1"}]}, "no_format"),
        ({"imp": [{"id": "1", "banner": {"w": -1}}]}, "negative"),
        ({"imp": [{"id": "1", "banner": {"w": 1}}] * 2}, "duplicate_imp_id"),
        ({"imp": [{"id": "1", "banner": {"battr": list(range(300))}}]}, "too_many"),
        ({"imp": [{"id": str(n), "banner": {"btype": [1] * 30}} for n in range(300)]}, None),
    ],
)
def test_bounds_and_rules_are_those_of_json(fields: dict[str, Any], reason: str | None) -> None:
    message = to_message(make_request(**fields))
    if reason is None:
        decode_protobuf(message)
        return
    with pytest.raises(InvalidRequest) as error:
        decode_protobuf(message)
    assert error.value.reason == reason


_BANNER = {"w": 300, "h": 250}


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "2", "banner": {"w": -1, "h": 250}},
        {"id": "2", "banner": _BANNER, "bidfloor": -1},
        {"id": "2", "banner": _BANNER, "pmp": {"deals": [{"bidfloor": 1}]}},
        {"id": "2", "banner": _BANNER, "native": {"ver": "1.2"}},
        {"id": "2", "banner": _BANNER, "video": {"protocols": [2]}},
        {"id": "2", "native": {"ver": "1.2"}},
        {"id": "2"},
        {"id": "", "banner": _BANNER},
        {"banner": _BANNER},
    ],
)
@pytest.mark.parametrize("is_first", [False, True])
def test_a_bad_imp_costs_itself_as_in_json(bad: dict[str, Any], is_first: bool) -> None:
    good = {"id": "1", "banner": _BANNER}
    request = make_request(imp=[bad, good] if is_first else [good, bad])
    read = decode_request(msgspec.json.encode(request))
    assert [imp for imp in read.imp if imp.id == "1" and imp.banner is not None]
    for message in (to_message(request), _reversed(to_message(request))):
        assert decode_protobuf(message) == decode_protobuf(message) == read


@pytest.mark.parametrize("floor", [float("nan"), float("inf")])
def test_an_imp_whose_floor_is_no_number_costs_itself(floor: float) -> None:
    imps = [{"id": "1", "banner": _BANNER, "bidfloor": floor}, {"id": "2", "banner": _BANNER}]
    first, second = decode_protobuf(to_message(make_request(imp=imps))).imp
    assert (first.id, first.banner, second.id) == ("1", None, "2")
    assert second.banner is not None


def test_a_request_of_too_many_fields_is_refused() -> None:
    crowded = [{"id": str(n), "banner": {"format": [{"w": 1, "h": n}] * 90}} for n in range(300)]
    for message in (to_message(make_request(imp=crowded)), _reversed(to_message(make_request(imp=crowded)))):
        with pytest.raises(InvalidRequest) as error:
            decode_protobuf(message)
        assert error.value.reason == "too_many"


@given(st.integers(min_value=0, max_value=2**32))
def test_fields_may_be_in_any_order(seed: int) -> None:
    (request,) = varied_requests(seed, 1)
    message = to_message(request)
    assert decode_protobuf(_reversed(message)) == decode_protobuf(message)


def _reversed(message: bytes) -> bytes:
    """Return a message with its fields in reverse order."""
    kind = message_type("BidRequest")
    whole = kind.FromString(message)
    pieces = []
    for field, _ in whole.ListFields():
        piece = kind()
        piece.CopyFrom(whole)
        for other, _ in whole.ListFields():
            if other is not field:
                piece.ClearField(other.name)
        pieces.append(piece.SerializeToString())
    return b"".join(reversed(pieces))


def test_repeated_names_keep_their_order_and_lists_are_not_shared() -> None:
    message = to_message(make_request(badv=["b.example", "a.example"], cur=["EUR", "USD"]))
    first, second = decode_protobuf(message), decode_protobuf(message)
    assert (first.badv, first.cur) == (["b.example", "a.example"], ["EUR", "USD"])
    first.cur = ["JPY"]
    assert second.cur == ["EUR", "USD"]


@pytest.mark.parametrize(
    "fields",
    [
        {"regs": {"coppa": 1}},
        {"regs": {"gpp": "DBABTA~1YYN", "gpp_sid": [6]}},
        {"regs": {"us_privacy": "1YYN"}},
        {"regs": {"gdpr": 1}, "user": {"id": "u", "consent": "x"}},
        {"regs": {"gdpr": 1}, "user": {"id": "u", "ext": {"consent": "x"}}},
        {"regs": {"ext": {"coppa": 1}}},
        {"regs": {"ext": {"gdpr": 1}}},
        {"regs": {"ext": {"gpc": "1"}}},
        {"regs": {"ext": {"gpp": "DBABTA~1YYN", "gpp_sid": [6]}}},
        {"regs": {"ext": {"us_privacy": "1YYN"}}},
        {"device": {"lmt": 1}},
        {"device": {"ext": {"atts": 2}}},
        {"device": {"ext": {"gpc": "1"}}},
        {"device": {"sua": {"mobile": 1, "ext": {"gpc": "1"}}}},
    ],
)
def test_every_place_of_a_privacy_signal_is_read(fields: dict[str, Any]) -> None:
    request = make_request(**{"user": {"id": "u"}, **fields})
    read = decode_protobuf(to_message(request))
    assert read == decode_request(to_json(request))
    assert not allowed_user_data(read).identity


def test_own_extensions_are_those_that_a_writer_with_the_official_files_declares() -> None:
    assert b"\xb2\x1f\x01x" in to_message(make_request(regs={"ext": {"gpp": "x"}}))  # 502 << 3 | 2


def test_what_only_describes_is_dropped_beyond_its_bound() -> None:
    read = decode_protobuf(to_message(make_request(site={"domain": "news.example", "name": "x" * 9_000})))
    assert read.site is not None and (read.site.domain, read.site.name) == ("news.example", None)


def test_a_cached_part_is_not_changed_by_who_reads_it() -> None:
    message = to_message(make_request())
    first, second = decode_protobuf(message), decode_protobuf(message)
    assert first.imp[0] is second.imp[0]
    assert first == decode_request(to_json(make_request()))


def test_a_header_of_one_request_is_not_stated_by_another_with_the_same_rules() -> None:
    message = to_message(make_request(user={"id": "u"}, regs={"gdpr": 0}))
    first = decode_protobuf(message)
    set_gpc(first)
    assert not allowed_user_data(first).identity
    assert allowed_user_data(decode_protobuf(message)).identity


def test_a_response_is_the_same_in_both_forms() -> None:
    bid = Bid(id="b", impid="1", price=1.25, adomain=["ä.example"], attr=[1, 2], w=300, h=250, exp=60, mtype=1)
    response = BidResponse("r", [SeatBid([bid], "seat")], bidid="b", cur="EUR")
    assert from_message(encode_protobuf(response)) == msgspec.to_builtins(response)
    assert from_message(encode_protobuf(NoBidResponse("r", 16))) == {"id": "r", "nbr": 16}


def test_names_types_and_numbers_are_the_specifications() -> None:
    require(_FIELDS.exists(), f"{_FIELDS} is missing")
    told: Any = msgspec.json.decode(_FIELDS.read_bytes())
    kinds = {5: "int32", 8: "bool", 9: "string", 1: "double"}
    for message, fields in told["messages"].items():
        ours = message_type(message).DESCRIPTOR.fields_by_name
        assert {field["name"] for field in fields} <= set(ours)
        for field in fields:
            found = ours[field["name"]]
            assert (found.number, found.is_repeated) == (field["number"], field["repeated"]), (message, field)
            assert kinds.get(found.type, field["type"]) == field["type"], (message, field)


def test_the_compiled_description_is_that_of_the_file() -> None:
    require(importlib.util.find_spec("grpc_tools"), "grpcio-tools, which compiles openrtb.proto")
    assert generate.compiled() == generate.COMPILED.read_bytes()
