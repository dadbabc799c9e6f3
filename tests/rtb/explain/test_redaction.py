"""What is recorded of a request makes the same bids, and says nothing of a person besides."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.explain.reader import DecisionReader
from rtb.explain.redaction import WITHHELD, redacted, redacted_body
from rtb.explain.store import DecisionStore
from rtb.inventory import user_agent
from rtb.inventory.impression import Impression, impressions_of
from rtb.inventory.user_data import UserDataPolicy
from rtb.openrtb import BidRequest, InvalidRequest, decode_request
from tests.rtb.auction_cases import RATES, read_cases
from tests.rtb.builders import make_request, make_table, to_json
from tests.rtb.explain.worlds import World, reference_listings

_AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Edg/120.0",
    "Mozilla/5.0 (Linux; Android 13; SM-G99 Build/TP1A; wv) AppleWebKit/537.36 Version/4.0 Chrome/120.0 Mobile",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1 Version/17.0 Safari/604.1",
    "curl/8.0",
    *user_agent._BROWSERS,
    "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 Version/6.0 TV Safari/537.36",
    "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B Build/TP1A)",
]
_CONSENT = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"
_PERSONAL: dict[str, Any] = {
    "device": {
        "ua": "Mozilla/5.0 (Macintosh; secret-build) Chrome/120.0 Safari/537.36",
        "ip": "203.0.113.77",
        "ipv6": "2001:db8:aaaa:bbbb::77",
        "ifa": "11111111-2222-3333-4444-555555555555",
        "didsha1": "d" * 40,
        "model": "Secretphone",
        "geo": {"country": "USA", "region": "CA", "city": "Davis", "lat": 38.5449, "lon": -121.7405, "zip": "95616"},
    },
    "user": {
        "id": "exchange-user-1",
        "buyeruid": "buyer-user-1",
        "yob": 1980,
        "gender": "F",
        "keywords": "secretinterest",
        "data": [{"id": "provider", "name": "secretprovider", "segment": [{"id": "s1", "name": "secretsegment"}]}],
        "eids": [{"source": "id5-sync.com", "uids": [{"id": "secret-eid"}]}],
        "consent": _CONSENT,
    },
    "site": {
        "domain": "news.example",
        "page": "https://news.example/?email=ann@example.com",
        "ref": "https://r.example",
    },
}
_SECRETS = (
    *("secret-build", "203.0.113.77", "aaaa:bbbb", "11111111-2222", "dddddddd", "Secretphone", "38.54", "121.74"),
    *("95616", "exchange-user-1", "buyer-user-1", "1980", "secretinterest", "secretprovider", "secretsegment"),
    *("secret-eid", "ann@example.com", "r.example"),
)
_SIGNALS: list[dict[str, Any]] = [
    {},
    {"regs": {"coppa": 1}},
    {"regs": {"gdpr": 1}},
    {"regs": {"ext": {"gdpr": 1}}},
    {"regs": {"us_privacy": "1YYN"}},
    {"regs": {"gpp": "DBABMA~", "gpp_sid": [7]}},
    {"device": _PERSONAL["device"] | {"lmt": 1}},
    {"device": _PERSONAL["device"] | {"dnt": 1}},
    {"device": _PERSONAL["device"] | {"ext": {"atts": 2}}},
    {"regs": {"ext": {"gpc": 1}}},
]
_OTHER_WAYS: list[dict[str, Any]] = [
    {"user": {"eids": [{"source": "id5-sync.com", "uids": [{"id": "secret-eid"}]}]}},
    {"user": {"ext": {"eids": [{"source": "id5-sync.com", "uids": [{"id": "secret-eid"}]}]}}},
    {"user": {"buyeruid": "0", "id": "null"}, "device": {"ifa": "11111111-2222-3333-4444-555555555555"}},
    {"user": {"id": "0"}},
    {"site": {"page": "https://www.news.example/?email=ann@example.com"}},
    {"site": {"domain": "www.News.example:8080"}},
    {"device": {"sua": {"browsers": [{"brand": "Microsoft Edge"}], "platform": {"brand": "Windows"}, "mobile": 0}}},
    {"device": {"sua": {"platform": {"brand": "Android"}, "mobile": 1, "model": "Secretphone"}, "ua": "curl/8.0"}},
    {"device": {"geo": {"country": "us", "region": "US-CA"}}},
    {"site": ..., "dooh": {"id": "d"}, "device": {}},
    {"regs": {"gpp": "DBABMA~", "gpp_sid": [7], "ext": {"dsa": {"dsarequired": 3, "pubrender": 0, "datatopub": 2}}}},
    {"regs": {"dsa": {"dsarequired": 2, "pubrender": 1}}},
]


def read(request: BidRequest) -> list[Impression]:
    """Return what is read of a request, without the user's identity."""
    found, _ = impressions_of(request, 5, "USD", 8, rates=RATES)
    return [one._replace(audience=one.audience._replace(user=WITHHELD if one.audience.user else "")) for one in found]


@pytest.mark.parametrize("signals", _SIGNALS, ids=str)
def test_what_is_kept_reads_the_same_and_names_nobody(signals: dict[str, Any]) -> None:
    body = to_json(make_request(**(_PERSONAL | signals)))
    kept = redacted_body(body, is_flat=False)
    assert not [secret for secret in (*_SECRETS, _CONSENT) if secret in kept.decode()]
    assert read(decode_request(kept)) == read(decode_request(body))
    is_allowed = not signals
    assert [text in kept.decode() for text in ("203.0.0.0", "s1", WITHHELD)] == [is_allowed] * 3


@given(agent=st.one_of(st.sampled_from(_AGENTS), st.text(max_size=40)), address=st.one_of(st.ip_addresses(), st.text()))
def test_browser_and_network_are_the_same(agent: str, address: Any) -> None:
    request = make_request(device={"ua": agent, "ip": str(address), "geo": {"country": "USA"}})
    before = msgspec.convert(request, BidRequest)
    assert read(redacted(before)) == read(before)
    assert redacted(redacted(before)) == redacted(before)


def test_every_request_of_the_fixtures_reads_the_same() -> None:
    count = 0
    for case in read_cases():
        body = case.body
        try:
            request = decode_request(body)
        except InvalidRequest:
            continue
        count += 1
        assert read(decode_request(redacted_body(body, is_flat=False))) == read(request)
    assert count > 200


def test_no_file_of_the_store_names_anybody(tmp_path: Path) -> None:
    listings = reference_listings(12)
    versions = World(tmp_path, listings)
    versions.catalog(listings, "c")
    versions.pace(make_table(listings), "p")
    (answer,) = versions.answer([versions.prepare(to_json(make_request(**_PERSONAL)))])
    assert answer.body is not None
    versions.flush()
    bid = json.loads(answer.body)["seatbid"][0]["bid"][0]["id"]
    with DecisionReader(versions.path) as reader:
        kept = reader.find(bid).request.body.decode()
    assert '"s1"' in kept
    assert not [secret for secret in _SECRETS if secret in kept]
    versions.store.close()


def test_what_was_kept_raw_goes_when_the_store_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "decisions.sqlite"
    DecisionStore(path, seconds=10, most_bytes=1 << 20).close()
    with sqlite3.connect(path) as old:
        old.execute("PRAGMA user_version = 0")
        old.execute("INSERT INTO parcels (id, at, size, body) VALUES ('p', 1, 3, 'raw user-1')")
        old.execute("INSERT INTO leases VALUES (1, 1)")
        old.execute(
            "INSERT INTO pictures (kind, version, at, used, size, body) VALUES ('catalog', 'c', 1, 1, 3, 'abc')"
        )
    old.close()
    store = DecisionStore(path, seconds=10, most_bytes=1 << 20)
    assert (store.kept().parcels, store.kept().snapshots) == (0, 1)
    store.close()
    assert not any(b"raw user-1" in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("fields", _OTHER_WAYS, ids=str)
def test_whatever_is_read_in_another_way_reads_the_same_and_names_nobody(fields: dict[str, Any]) -> None:
    video = {"id": "2", "video": {"mimes": ["video/mp4"], "w": 640, "h": 360, "protocols": [2]}}
    body = to_json(make_request(imp=[{"id": "1", "banner": {"w": 300, "h": 250}}, video], **fields))
    kept = redacted_body(body, is_flat=False)
    assert not [secret for secret in (*_SECRETS, "Secretphone") if secret in kept.decode()]
    assert read(decode_request(kept)) == read(decode_request(body))
    assert redacted_body(kept, is_flat=False) == kept


def test_a_policy_decides_who_is_known_and_which_segments_stay() -> None:
    policy = UserDataPolicy(sources=("id5-sync.com",), providers=frozenset({"provider"}))
    data = [{"id": "provider", "segment": [{"id": "s1"}]}, {"id": "other", "segment": [{"id": "s2"}]}]
    known = to_json(make_request(user={"eids": _PERSONAL["user"]["eids"], "data": data}))
    unknown = to_json(make_request(user={"id": "u", "data": data}))
    assert WITHHELD in redacted_body(known, is_flat=False, policy=policy).decode()
    kept = redacted_body(unknown, is_flat=False, policy=policy).decode()
    assert WITHHELD not in kept
    assert '"s1"' in kept
    assert '"s2"' not in kept
