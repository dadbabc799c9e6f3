"""The door: requests as they come off the wire, and what goes back, for every exchange and under load."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments import intake
from deployments.api.access import CALLER, Caller
from rtb.auction.admission import ShedReason
from rtb.auction.batch import Answer, Prepared
from rtb.exchanges import key_id
from rtb.inventory.impression import impressions_of
from rtb.openrtb import NoBid, decode_request
from simulation.exchange.protobuf import from_message, to_message
from tests.conftest import Valkey
from tests.deployments.replica import BID, BODY, KEY, Replica, with_profile
from tests.rtb.builders import make_request, to_json
from tests.support import examples


@pytest.fixture
def replica(tmp_path: Path) -> Replica:
    return Replica(tmp_path)


def test_a_bid_goes_back_as_json_with_the_version_of_the_exchange(replica: Replica) -> None:
    answer = replica.ask()
    assert (answer.status, answer.body) == (200, BID)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-openrtb-version"] == "2.6"
    assert replica.ask(path="/openrtb2/openrtb25").headers["x-openrtb-version"] == "2.5"
    assert replica.ask(path="/openrtb2/bid/openrtb25").headers["x-openrtb-version"] == "2.5"


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "text/plain", "application/x-protobuf", ""]
)
@pytest.mark.parametrize("version", ["2.3", "2.6-202309", "3.0", "rubbish", ""])
def test_content_types_and_versions_are_tolerated(replica: Replica, content_type: str, version: str) -> None:
    answer = replica.ask(content_type=content_type, x_openrtb_version=version)
    assert (answer.status, answer.headers["x-openrtb-version"]) == (200, "2.6")
    assert replica.counters["unknown_openrtb_version"] == (version in ("3.0", "rubbish"))


def test_a_message_is_answered_by_a_message(tmp_path: Path) -> None:
    replica = with_profile(tmp_path, no_bid="nbr")
    message = to_message(make_request())
    for content_type in ("application/x-protobuf", "application/protobuf; charset=utf-8"):
        answer = replica.ask(message, path="/openrtb2/acme", content_type=content_type)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/x-protobuf")
    assert [request.is_protobuf for request in replica.prepared] == [True, True]
    replica.answer = lambda _: Answer(None, NoBid.USER_CAP)
    answer = replica.ask(message, path="/openrtb2/acme", content_type="application/x-protobuf")
    assert from_message(answer.body) == {"id": "request", "nbr": 9}
    assert replica.ask(message).status == 400
    assert replica.ask(message[:-1], content_type="application/x-protobuf").status == 400
    assert replica.counters["invalid.not_protobuf"] == 1


def test_an_exchange_is_added_by_a_file_and_asked_at_its_paths_or_by_its_key(tmp_path: Path) -> None:
    replica = with_profile(tmp_path, version="2.5", keys=[key_id(KEY)])
    for path in ("/openrtb2/acme", "/openrtb2/bid/acme", "/openrtb2/bid"):
        assert replica.ask(path=path, x_api_key=KEY).headers["x-openrtb-version"] == "2.5"
    assert {request.exchange.name for request in replica.prepared} == {"acme"}
    assert replica.counters["exchange.acme.requests"] == replica.counters["exchange.acme.bid_responses"] == 3
    assert replica.ask(x_api_key="another key of the tests").headers["x-openrtb-version"] == "2.6"


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        ({"path": "/openrtb2/nobody"}, 404, "unknown_exchange"),
        ({"path": "/openrtb2/"}, 404, "unknown_exchange"),
        ({"path": "/openrtb2/bid/"}, 404, "unknown_exchange"),
        ({"path": "/openrtb2/acme"}, 403, "foreign_key"),
        ({"path": "/openrtb2/acme", "x_api_key": "another key of the tests"}, 403, "foreign_key"),
        ({"path": "/openrtb2/bid/openrtb25", "x_api_key": KEY}, 403, "foreign_key"),
        ({"path": "/openrtb2/acme", "x_api_key": "nobody's"}, 401, "unknown_key"),
        ({"x_api_key": b"\xff\x00"}, 401, "unknown_key"),
        ({"method": "GET"}, 405, "wrong_method"),
        ({"body": b"{"}, 400, "not_json"),
        ({"body": b'{"id": "r"}'}, 400, "wrong_type"),
        ({"body": b" " * 1_000_001}, 413, "too_large"),
        ({"cookie": "c" * 8_200}, 431, "long_headers"),
        ({"content_encoding": "br"}, 415, "unknown_encoding"),
        ({"content_encoding": "gzip"}, 400, "not_gzip"),
        ({"content_encoding": "gzip", "body": gzip.compress(b" " * 1_000_001)}, 413, "too_large"),
        ({"content_encoding": "gzip", "body": gzip.compress(b"{")}, 400, "not_json"),
    ],
)
def test_what_is_refused_gets_a_4xx_without_a_body_and_is_counted(
    tmp_path: Path, options: dict[str, Any], status: int, reason: str
) -> None:
    replica = with_profile(tmp_path, keys=[key_id(KEY)])
    answer = replica.ask(**options)
    assert (answer.status, answer.body) == (status, b"")
    assert replica.reason() == f"invalid.{reason}"
    assert not replica.prepared


def test_what_is_no_door_of_ours_goes_to_the_rest(replica: Replica) -> None:
    sent: list[Any] = []

    async def collect(message: Any) -> None:
        sent.append(message)

    for path in ("/campaigns", "/openrtb2", "/openrtb3/bid"):
        asyncio.run(replica.door({"type": "http", "method": "GET", "path": path, "headers": []}, None, collect))  # type: ignore[arg-type]
    assert [message["body"] for message in sent if "body" in message] == [b"rest"] * 3


async def test_what_needs_no_key_is_worked_on_a_few_at_a_time_and_no_refusal_is_load(replica: Replica) -> None:
    async def silent(_: Any = None) -> Any:
        assert replica.door.held == 0
        return {"type": "http.request"}

    async def ask(path: str) -> None:
        await replica.door({"type": "http", "method": "GET", "path": path, "headers": []}, silent, silent)

    await asyncio.gather(*map(ask, ["/open"] * 40 + ["/nowhere"] * 40))
    assert (replica.rest.most_at_once, replica.door.held) == (4, 0)


@pytest.mark.parametrize("prefix", ["", "/bidder"])
def test_it_learns_whether_a_prefix_is_before_its_paths(replica: Replica, prefix: str) -> None:
    async def ignore(_: Any) -> None:
        return

    assert not replica.door.is_at_root
    scope = {"type": "http", "method": "GET", "path": f"{prefix}/open", "root_path": prefix, "headers": []}
    asyncio.run(replica.door(scope, None, ignore))  # type: ignore[arg-type]
    assert replica.door.is_at_root == (not prefix)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "identity", ""])
def test_bodies_come_in_gzip_or_as_they_are(replica: Replica, encoding: str) -> None:
    body = gzip.compress(BODY) if "gzip" in encoding.lower() else BODY
    assert replica.ask(body, content_encoding=encoding).status == 200
    assert replica.prepared[0].id == "request"


def test_answers_go_out_in_gzip_for_who_asks_when_they_are_large(replica: Replica) -> None:
    packed = replica.ask(accept_encoding="gzip, deflate")
    assert packed.headers["content-encoding"] == "gzip"
    assert (gzip.decompress(packed.body), packed.headers["vary"]) == (BID, "accept-encoding")
    assert len(packed.body) < len(BID)
    plain = replica.ask(accept_encoding="br")
    assert (plain.body, plain.headers["vary"], "content-encoding" in plain.headers) == (BID, "accept-encoding", False)
    replica.answer = lambda _: Answer(b'{"id":"small"}')
    assert replica.ask(accept_encoding="gzip").body == b'{"id":"small"}'


def test_an_exchange_may_be_spared_gzip(tmp_path: Path) -> None:
    answer = with_profile(tmp_path, gzip=False).ask(path="/openrtb2/acme", accept_encoding="gzip")
    assert (answer.body, "content-encoding" in answer.headers) == (BID, False)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"a":' * 150_000,
        b'{"id": "r", "imp": [{"id": "1"}], "ext": ' + b"[" * 400_000 + b"]" * 400_000 + b"}",
        b'{"id": "r", "imp": [{"id": "1"}], "site": ' + b'{"ext":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"id": 1, "bcat": 7, "imp": [{"id": "1"}], "site": ' + b'{"ext":' * 900 + b"1" + b"}" * 900 + b"}",
    ],
    ids=["arrays", "objects", "in what is not read", "in what is skipped", "in what is tidied"],
)
def test_deep_nesting_is_refused_or_skipped(replica: Replica, body: bytes) -> None:
    assert replica.ask(body).status in (200, 204, 400)
    assert replica.ask().status == 200


def test_no_bid_is_204_without_a_body(replica: Replica) -> None:
    answer = replica.ask(to_json(make_request(imp=[{"id": "1", "video": {"mimes": ["video/mp4"]}}])))
    assert (answer.status, answer.body, answer.headers) == (204, b"", {"x-openrtb-version": "2.6"})


@pytest.mark.parametrize(
    ("own_reasons", "request_fields", "told"),
    [
        (True, {"imp": [{"id": "1", "video": {"mimes": ["video/mp4"]}}]}, 505),
        (True, {"cur": ["JPY"]}, 503),
        (False, {"cur": ["JPY"]}, None),
        (False, {"tmax": 20}, 15),
    ],
)
def test_an_exchange_that_wants_reasons_is_told_them(
    tmp_path: Path, own_reasons: bool, request_fields: dict[str, Any], told: int | None
) -> None:
    replica = with_profile(tmp_path, no_bid="nbr", own_reasons=own_reasons)
    answer = replica.ask(to_json(make_request(**request_fields)), path="/openrtb2/acme")
    if told is None:
        assert (answer.status, answer.body) == (204, b"")
    else:
        assert (answer.status, json.loads(answer.body)) == (200, {"id": "request", "nbr": told})
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("tmax", [1, 20, "20"])
def test_a_tmax_that_the_network_uses_up_is_answered_at_once(replica: Replica, tmax: Any) -> None:
    assert replica.ask(to_json(make_request(tmax=tmax))).status == 204
    assert replica.reason() == "no_bid.insufficient_time"
    assert not replica.prepared


@pytest.mark.parametrize(
    ("fields", "tmax", "seconds"),
    [
        ({"network_allowance_ms": 30}, 200, 0.17),
        ({"network_allowance_ms": 0}, "200", 0.2),
        ({"default_tmax_ms": 500}, ..., 0.48),
        ({}, ..., 0.28),
        ({}, 0, 0.28),
        ({"default_tmax_ms": 90, "quirks": {"ignore_tmax": True}}, 5_000, 0.07),
    ],
)
def test_the_allowance_of_the_exchange_is_taken_off_its_tmax(
    tmp_path: Path, fields: dict[str, Any], tmax: Any, seconds: float
) -> None:
    replica = with_profile(tmp_path, **fields)
    replica.ask(to_json(make_request(tmax=tmax)), path="/openrtb2/acme")
    (asked,) = replica.asked
    assert seconds - 0.05 < asked <= seconds


@pytest.mark.parametrize("shed", ShedReason)
def test_what_is_shed_gets_204_and_is_not_even_decoded(replica: Replica, shed: ShedReason) -> None:
    replica.shed = shed
    assert replica.ask(b"{ no JSON").status == 204
    assert replica.reason() == f"no_bid.{shed.value}"
    replica.shed = None
    assert replica.ask().status == 200


def test_who_wants_reasons_is_told_that_there_was_no_time(tmp_path: Path) -> None:
    replica = with_profile(tmp_path, no_bid="nbr")
    replica.shed = ShedReason.LATENCY
    assert json.loads(replica.ask(path="/openrtb2/acme").body) == {"id": "request", "nbr": 15}
    assert replica.reason() == "no_bid.shed_latency"


def test_an_answer_that_does_not_come_in_time_is_204(replica: Replica) -> None:
    replica.answer = lambda _: asyncio.sleep(1, Answer(BID))
    assert replica.ask(to_json(make_request(tmax=60))).status == 204
    assert replica.reason() == "no_bid.timeout"


def test_an_answer_that_comes_late_because_the_loop_was_busy_is_204(replica: Replica) -> None:
    def slow(_: Prepared) -> Answer:
        time.sleep(0.1)
        return Answer(BID)

    replica.answer = slow
    assert replica.ask(to_json(make_request(tmax=60))).status == 204
    assert replica.reason() == "no_bid.timeout"


def test_a_stage_that_fails_is_204(replica: Replica) -> None:
    def fail(_: Prepared) -> Answer:
        raise ConnectionError("the stage is gone")

    replica.answer = fail
    assert replica.ask().status == 204
    assert replica.reason() == "no_bid.stage_failed"


async def test_no_more_is_answered_in_a_second_than_the_exchange_may_ask(tmp_path: Path, valkey: Valkey) -> None:
    profiles = tmp_path / "exchanges"
    profiles.mkdir()
    (profiles / "acme.yaml").write_text("name: acme\nqps: 10")
    async with valkey.client() as client:
        replica = Replica(tmp_path, client, exchanges_dir=profiles)
        statuses = Counter([(await replica.send(path="/openrtb2/acme")).status for _ in range(100)])
        assert statuses[200] <= 10
        assert statuses[200] + statuses[204] == 100
        assert replica.counters["no_bid.qps"] == statuses[204]
        assert (await replica.send()).status == 200  # other exchanges have no limit, or their own


def test_of_many_large_bodies_some_are_shed_and_small_ones_are_answered(replica: Replica) -> None:
    large = to_json(make_request(ext="x" * 900_000))

    async def main() -> None:
        many = asyncio.gather(*(replica.send(large) for _ in range(10)))
        await asyncio.sleep(0)
        assert (await replica.send()).status == 200
        statuses = Counter(answer.status for answer in await many)
        assert statuses[200] >= 1
        assert replica.counters["no_bid.large_bodies"] == statuses[204] >= 5

    asyncio.run(main())


_HEADER_NAMES = ["x-api-key", "content-encoding", "accept-encoding", "x-openrtb-version", "content-type", "x-else"]
_HEADER_VALUES = ["gzip", "identity", "gzip;q=0", "*;q=x", "2.6", "\u00ff", "", KEY]
_PATHS = [
    "/openrtb2/bid",
    "/openrtb2/acme",
    "/openrtb2/bid/acme",
    "/openrtb2/",
    "/openrtb2/../campaigns",
    "/openrtb2/\u0000",
]


@settings(max_examples=examples(150))
@given(
    body=st.binary(max_size=300) | st.just(BODY) | st.just(gzip.compress(BODY)) | st.text(max_size=50).map(str.encode),
    path=st.sampled_from(_PATHS),
    method=st.sampled_from(["POST", "GET", "HEAD", "OPTIONS", "rubbish"]),
    headers=st.dictionaries(
        st.sampled_from(_HEADER_NAMES), st.sampled_from(_HEADER_VALUES) | st.text("\u0020\u007e;,=*q", max_size=20)
    ),
)
def test_whatever_comes_is_answered_and_never_with_5xx(
    fuzzed: Replica, body: bytes, path: str, method: str, headers: dict[str, str]
) -> None:
    sent = {name.replace("-", "_"): value.encode("latin-1") for name, value in headers.items()}
    answer = fuzzed.ask(body, path=path, method=method, **sent)
    assert answer.status in (200, 204, 400, 401, 403, 404, 405, 413, 415)
    assert answer.body == b"" or answer.status == 200


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Replica:
    return with_profile(tmp_path_factory.mktemp("fuzzed"), no_bid="nbr", keys=[key_id(KEY)])


def _stalls(*pieces: bytes) -> Callable[[], Any]:
    """Send this much of a body and no more."""
    rest = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]

    async def receive() -> Any:
        if not rest:
            await asyncio.Event().wait()
        return rest.pop(0)

    return receive


async def test_a_body_that_does_not_come_is_refused_and_never_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "SECONDS", 0.01)
    replica = Replica(tmp_path)
    sent: list[Any] = []
    held: list[int] = []

    async def collect(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/openrtb2/bid", "headers": [], "query_string": b""}
    task = asyncio.ensure_future(replica.door(scope, _stalls(BODY[:50]), collect))
    while not task.done():
        held.append(replica.door.held)
        await asyncio.sleep(0)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert replica.reason() == "invalid.slow_body"
    assert set(held) == {0}


def test_a_call_of_the_api_is_held_once_its_body_is_there(tmp_path: Path) -> None:
    replica = Replica(tmp_path)
    held: list[int] = []
    sent: Any = []

    async def rest(scope: Any, receive: Any, send: Any) -> None:
        held.append(replica.door.held)
        while (await receive()).get("more_body"):
            held.append(replica.door.held)
        held.append(replica.door.held)

    async def run() -> None:
        replica.door._rest = rest  # type: ignore[assignment]
        messages = [{"type": "http.request", "body": b"x", "more_body": more} for more in (True, False)]
        scope = {"type": "http", "method": "POST", "path": "/bid", "headers": [], CALLER: Caller(None)}

        async def receive() -> Any:
            return messages.pop(0)

        await replica.door(scope, receive, sent.append)

    asyncio.run(run())
    assert held == [0, 0, 1]
    assert replica.door.held == 0


async def test_the_door_knows_how_many_requests_it_holds(tmp_path: Path) -> None:
    replica = Replica(tmp_path)

    async def wait(_: Prepared) -> Answer:
        held.append(replica.door.held)
        await asyncio.sleep(0.01)
        return Answer(BID)

    async def fail(_: Prepared) -> Answer:
        raise asyncio.CancelledError

    held: list[int] = []
    replica.answer = wait
    await asyncio.gather(*(replica.send() for _ in range(5)))
    replica.answer = fail
    await asyncio.gather(replica.send(), return_exceptions=True)
    assert max(held) == 5
    assert replica.door.held == 0


_ZIPPED = gzip.compress(BODY)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        (b"gzip=1", _ZIPPED),
        (b"a=b&gzip=1&c", _ZIPPED),
        (b"gzip=1", BODY),  # announced, and not compressed
        (b"gzip=0", BODY),
        (b"", BODY),
    ],
)
def test_prebid_announces_a_compressed_body_in_its_url(replica: Replica, query: bytes, body: bytes) -> None:
    assert replica.ask(path="/openrtb2/prebid_server", query=query, body=body).status == 200


@pytest.mark.parametrize(
    ("path", "query", "headers", "status"),
    [
        ("/openrtb2/prebid_server", b"", {}, 400),
        ("/openrtb2/prebid_server", b"gzip=0", {}, 400),
        ("/openrtb2/prebid_server", b"xgzip=1&gzip=10", {}, 400),
        ("/openrtb2/prebid_server", b"gzip=1", {"content_encoding": "identity"}, 400),
        ("/openrtb2/prebid_server", b"gzip=1", {"content_encoding": "gzip"}, 200),
        ("/openrtb2/bid", b"gzip=1", {}, 400),
        ("/openrtb2/bid", b"gzip=1", {"content_encoding": "gzip"}, 200),
    ],
)
def test_a_compressed_body_that_nothing_announces_is_no_json(
    replica: Replica, path: str, query: bytes, headers: dict[str, str], status: int
) -> None:
    assert replica.ask(path=path, query=query, body=_ZIPPED, **headers).status == status


def test_a_compressed_body_has_the_same_bounds_however_it_is_announced(replica: Replica) -> None:
    large = gzip.compress(b" " * 1_000_001)
    assert replica.ask(path="/openrtb2/prebid_server", query=b"gzip=1", body=large).status == 413
    assert replica.ask(path="/openrtb2/prebid_server", query=b"gzip=1", body=_ZIPPED[:-9]).status == 400


def test_another_exchange_says_so_in_its_profile(tmp_path: Path) -> None:
    replica = with_profile(tmp_path, quirks={"gzip_by_query": True})
    assert replica.ask(path="/openrtb2/acme", query=b"gzip=1", body=_ZIPPED).status == 200


@pytest.mark.parametrize(("header", "known"), [("1", False), (" 1 ", False), ("0", True), ("", True), ("true", True)])
def test_a_header_states_the_global_privacy_control(replica: Replica, header: str, known: bool) -> None:
    body = to_json(make_request(user={"id": "u"}))
    assert replica.ask(body=body, sec_gpc=header).status == 200
    (request,) = replica.prepared
    assert bool(request.impressions[0].audience.user) is known
    assert not request.as_object
    source = request.source if isinstance(request.source, bytes) else msgspec.json.encode(request.source)
    (again,), _ = impressions_of(decode_request(source), 12, "USD", 1)
    assert bool(again.audience.user) is known  # as it is recorded
