"""Exchange profiles: data that is checked when it is loaded, and what each field does to requests and bids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from rtb.exchanges import GENERIC, ExchangeError, Exchanges, Profile, Quirks, key_id, load, number_of
from rtb.openrtb import Bid, decode_request
from tests.rtb.builders import make_request, to_json

KEY = key_id("a key of theirs")
OPENRTB26 = 3439466992


def write(folder: Path, name: str = "acme", **fields: Any) -> None:
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, **fields}))


def left_out(folder: Path) -> str:
    """Return the complaint about the one unusable file; the shipped profiles are loaded all the same."""
    exchanges = load(folder)
    (fault,) = exchanges.faults
    assert {"openrtb25", "openrtb26", "prebid_server"} <= {profile.name for profile in exchanges}
    return f"{fault.name}: {fault.reason}"


def completed(profile: Profile, **fields: Any) -> Any:
    request = decode_request(to_json(make_request(**fields)))
    profile.complete(request)
    return request


def finished(profile: Profile) -> Bid:
    bid = Bid("1", "1", 1.0, nurl="https://b/notice/win/t?price=p", burl="https://b/notice/bill/t", lurl="https://b/l")
    bid.burl = "https://b/notice/bill/t?price=p"
    profile.finish(bid)
    return bid


def test_the_profiles_shipped_are_good_and_each_has_an_endpoint() -> None:
    exchanges = load()
    assert {profile.name: profile.path for profile in exchanges} == {
        "openrtb25": "/openrtb2/openrtb25",
        "openrtb26": "/openrtb2/bid",
        "prebid_server": "/openrtb2/prebid_server",
        "prebid_server_java": "/openrtb2/prebid_server_java",
    }
    for profile in exchanges:
        assert exchanges.of(profile.path) is profile
        assert exchanges.of(f"/openrtb2/bid/{profile.name}") is profile


def test_a_file_in_a_folder_adds_an_exchange_and_replaces_one_of_the_same_name(tmp_path: Path) -> None:
    write(tmp_path, "acme", qps=500, keys=[KEY], quirks={"ignore_tmax": True})
    write(tmp_path, "prebid_server", qps=7)
    (tmp_path / "README").write_text("not a profile")
    exchanges = load(tmp_path)
    acme = exchanges.of("/openrtb2/acme", KEY)
    assert acme == Profile(name="acme", qps=500.0, keys=(KEY,), quirks=Quirks(ignore_tmax=True))
    assert exchanges.of("/openrtb2/bid/prebid_server") == Profile(name="prebid_server", qps=7.0)
    assert len(list(exchanges)) == 5


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name: acme\nqsp: 5", "qsp"),
        ("name: acme\nqps: many", "$.qps"),
        ("name: acme\nqps: -1", "$.qps"),
        ("name: acme\nqps: .nan", "$.qps"),
        ("name: acme\nversion: 2.6", "$.version"),
        ('name: acme\nversion: "3.0"', "$.version"),
        ("name: acme\nauction_type: 3", "$.auction_type"),
        ("name: acme\ncurrency: usd", "$.currency"),
        ("name: acme\nnetwork_allowance_ms: 1.5", "$.network_allowance_ms"),
        ("name: acme\ndefault_tmax_ms: 0", "$.default_tmax_ms"),
        ("name: acme\nno_bid: 204", "$.no_bid"),
        ("name: acme\ncharge_on: loss", "$.charge_on"),
        ("name: acme\nendpoint: /campaigns", "$.endpoint"),
        ("name: acme\nkeys: [secret]", "$.keys[0]"),
        ("name: acme\nquirks: {no_such: true}", "no_such"),
        ("name: acme\nquirks: {ignore_at: 1}", "$.quirks.ignore_at"),
        ("name: acme\nformats: last", "$.formats"),
        ("name: acme\nformats: []", "$.formats"),
        ("name: acme\nformats: [film]", "$.formats"),
        ("name: acme\nformats: {first: []}", "$.formats"),
        ("name: acme\ngrace_seconds: -1", "$.grace_seconds"),
        ("name: acme\ngrace_seconds: 3601", "$.grace_seconds"),
        ("name: acme\nkey_in: body", "$.key_in"),
        ("name: acme\npays_bid: true\ndiscounts: true", "pays_bid"),
        ("name: acme\npays_bid: true\nprice_keys: acme", "pays_bid"),
        ("name: acme\nbills_by_markup: true\nprice_macro: '%%PRICE%%'", "bills_by_markup"),
        ("name: Not a name", "$.name"),
        ("qps: 5", "name"),
        ("- name: acme", "array"),
        ("name: [", "acme.yaml"),
        ("", "null"),
    ],
)
def test_a_profile_that_is_wrong_is_left_out_by_file_and_field(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "acme.yaml").write_text(text)
    assert left_out(tmp_path).startswith("acme.yaml: ")
    assert named in left_out(tmp_path)


def test_a_folder_that_is_none_is_refused_and_a_file_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="RAYBID_EXCHANGES_DIR"):
        load(tmp_path / "nowhere")
    (tmp_path / "acme.yaml").write_bytes(b"name: \xff\xfe")
    assert "acme.yaml" in left_out(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    assert [fault.name for fault in load(tmp_path).faults] == ["acme.yaml", "folder.yaml"]


@pytest.mark.parametrize(
    "text", ["name: acme\nkeys: [{key}]\nqsp: 5", "name: acme\nkeys: [{key}, [", 'keys: ["{key}"]']
)
def test_an_exchange_that_is_left_out_bids_nowhere_and_settles_nothing(tmp_path: Path, text: str) -> None:
    write(tmp_path, "zeta", keys=[key_id("another")])
    (tmp_path / "acme.yaml").write_text(text.format(key=KEY))
    exchanges = load(tmp_path)
    assert [fault.name for fault in exchanges.faults] == ["acme.yaml"]
    for path in ("/openrtb2/bid", "/openrtb2/bid/zeta", "/openrtb2/zeta"):
        assert exchanges.of(path, KEY) is None
    assert exchanges.of_key(KEY) is None
    assert not exchanges.has("/openrtb2/acme")
    assert exchanges.is_left_out(number_of("acme"))
    zeta = exchanges.of("/openrtb2/zeta", key_id("another"))
    assert zeta is not None
    assert not exchanges.is_left_out(zeta.number)


def test_a_broken_file_for_a_shipped_exchange_does_not_bring_back_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: prebid_server\nno_such: 1")
    exchanges = load(tmp_path)
    assert "prebid_server" not in {profile.name for profile in exchanges}
    assert len(exchanges.faults) == 1


def test_a_profile_whose_price_keys_are_not_there_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, price_keys="acme")
    assert load(tmp_path, ["acme"]).faults == []
    (fault,) = load(tmp_path, []).faults
    assert "RAYBID_PRICE_KEYS has no keys named acme" in fault.reason


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"endpoint": "/openrtb2/bid"}, "endpoint /openrtb2/bid"),
        ({"endpoint": "/openrtb2/bid/openrtb25"}, "endpoint /openrtb2/bid/openrtb25"),
        ({"keys": [KEY]}, f"key {KEY}"),
    ],
)
def test_two_exchanges_share_no_endpoint_and_no_key(tmp_path: Path, fields: dict[str, Any], what: str) -> None:
    write(tmp_path, "alpha", keys=[KEY])
    write(tmp_path, "beta", **fields)
    assert what in left_out(tmp_path)
    alpha = load(tmp_path).of("/openrtb2/alpha", KEY)
    assert alpha is not None  # who came first keeps what is its own


def test_of_two_files_with_one_name_the_second_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "acme", qps=7)
    (tmp_path / "other.yml").write_text("name: acme")
    assert left_out(tmp_path).startswith("other.yml: ")
    acme = load(tmp_path).of("/openrtb2/acme")
    assert acme is not None
    assert acme.qps == 7


def test_a_request_belongs_to_the_exchange_of_its_path_or_at_the_shared_one_of_its_key() -> None:
    acme, zeta = Profile(name="acme", keys=(KEY,)), Profile(name="zeta", endpoint="/openrtb2/bid")
    exchanges = Exchanges([acme, zeta])
    assert exchanges.of("/openrtb2/bid") is zeta
    assert exchanges.of("/openrtb2/bid", KEY) is acme
    assert exchanges.of("/openrtb2/bid", "000000000000") is zeta
    assert exchanges.of("/openrtb2/bid/acme") is acme
    assert exchanges.of("/openrtb2/acme", KEY) is acme
    assert exchanges.of("/openrtb2/bid/zeta", KEY) is None
    assert exchanges.of("/openrtb2/nobody") is None
    assert (exchanges.has("/openrtb2/acme"), exchanges.has("/openrtb2/acme/")) == (True, False)
    assert Exchanges([]).of("/openrtb2/bid") is GENERIC


def test_what_a_request_leaves_unsaid_the_profile_says() -> None:
    profile = Profile(name="acme", auction_type=1, currency="EUR")
    silent = completed(profile)
    assert (silent.at, silent.cur, silent.tmax) == (1, ["EUR"], None)
    said = completed(profile, at=2, cur=["USD"], tmax=100)
    assert (said.at, said.cur, said.tmax) == (2, ["USD"], 100)
    assert (completed(GENERIC).at, completed(GENERIC).cur) == (2, None)


def test_quirks_of_requests() -> None:
    imps = [{"id": str(n), "banner": {"w": 1, "h": 1}, **fields} for n, fields in enumerate([{}, {"secure": 0}])]
    profile = Profile(name="acme", quirks=Quirks(ignore_tmax=True, ignore_at=True, secure_by_default=True))
    request = completed(profile, at=1, tmax=5, imp=imps)
    assert (request.at, request.tmax, [imp.secure for imp in request.imp]) == (2, None, [1, 0])
    assert [imp.secure for imp in completed(GENERIC, imp=imps).imp] == [None, 0]


def test_the_documentation_names_every_field_and_quirk() -> None:
    text = (Path(__file__).parents[3] / "docs" / "exchanges.md").read_text()
    names = (*Profile.__struct_fields__, *Quirks.__struct_fields__)
    assert [name for name in names if f"| `{name}` |" not in text] == []


def test_an_exchange_that_knows_no_loss_notice_gets_none() -> None:
    assert finished(GENERIC).lurl
    assert finished(Profile(name="acme", quirks=Quirks(no_loss_notice=True))).lurl is None


@pytest.mark.parametrize(("mtype", "kept"), [(1, True), (2, False), (3, True), (4, True)])
def test_an_exchange_that_takes_a_win_notice_for_something_else_gets_none(mtype: int, kept: bool) -> None:
    bid = Bid("1", "1", 1.0, nurl="https://b/w", burl="https://b/b", mtype=mtype)
    profile = Profile(name="acme", charge_on="win", quirks=Quirks(no_win_notice=("video",)))
    profile.finish(bid)
    assert (bid.nurl is not None, bid.burl) == (kept, "https://b/b")
    kind = ("banner", "video", "audio", "native")[mtype - 1]
    assert profile.is_charged_by_win(kind, "bill") is kept


def test_prebid_servers_played_bids_have_no_win_notice() -> None:
    profile = load().of("/openrtb2/prebid_server")
    assert profile is not None
    assert profile.quirks.no_win_notice == ("video", "audio")


def test_an_exchange_is_found_by_its_number_and_its_key_and_is_the_generic_one_else() -> None:
    acme, other = Profile(name="acme", keys=(KEY,)), Profile(name="other")
    exchanges = Exchanges([acme, other])
    assert acme.number == number_of("acme") != other.number
    assert [exchanges.numbered(one.number) for one in (acme, other)] == [acme, other]
    assert exchanges.numbered(number_of("gone")) is exchanges.numbered(0) is GENERIC
    assert exchanges.of_key(KEY) is acme
    assert exchanges.of_key("") is exchanges.of_key(key_id("a key that nobody lists")) is GENERIC


def test_numbers_stay_what_they_are() -> None:
    assert number_of("openrtb26") == OPENRTB26  # in tokens that are on their way when a replica is replaced
    assert 0 < number_of("") < 2**32


def test_notice_urls_have_the_macro_that_the_exchange_knows() -> None:
    bid = Bid("1", "1", 1.0, nurl="https://b/w?price=${AUCTION_PRICE}&min=1", burl="https://b/b?price=${AUCTION_PRICE}")
    Profile(name="acme", price_macro="${AUCTION_PRICE:OXCRYPT}").finish(bid)
    assert (bid.nurl, bid.burl) == tuple(
        url.format("${AUCTION_PRICE:OXCRYPT}") for url in ("https://b/w?price={}&min=1", "https://b/b?price={}")
    )


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"notice_networks": ["192.0.2.1/24"]}, "notice_networks"),
        ({"notice_networks": ["anywhere"]}, "notice_networks"),
        ({"price_macro": "x&on=win"}, "price_macro"),
        ({"price_keys": "Not A Name"}, "price_keys"),
        ({"discounts": "yes"}, "discounts"),
    ],
)
def test_what_a_profile_says_of_prices_and_networks_is_checked(tmp_path: Path, fields: Any, place: str) -> None:
    write(tmp_path, **fields)
    assert place in left_out(tmp_path)


@pytest.mark.parametrize(
    ("formats", "offered", "taken"),
    [
        (None, "native video", ("video", "native")),
        ("first", "native video audio", ("video",)),
        ("first", "audio native", ("native",)),
        ("first", "banner audio native video", ("banner",)),
        (["audio", "native"], "banner native audio", ("native", "audio")),
        (["audio"], "banner", ()),
        ({"first": ["audio", "video"]}, "banner video audio", ("audio",)),
        ({"first": ["audio", "video"]}, "banner video", ("video",)),
        ({"first": ["audio"]}, "banner", ()),
    ],
)
def test_which_formats_of_an_imp_are_bid_is_the_callers_rule(
    tmp_path: Path, formats: Any, offered: str, taken: tuple[str, ...]
) -> None:
    write(tmp_path, formats=formats)
    (profile,) = (one for one in load(tmp_path) if one.name == "acme")
    slots = {"banner": {"w": 1, "h": 1}, "video": {"mimes": ["video/mp4"]}, "audio": {"mimes": ["audio/mpeg"]}}
    slots["native"] = {"request": {"assets": [{"id": 1, "title": {"len": 25}}]}}
    (imp,) = completed(profile, imp=[{"id": "1", **{kind: slots[kind] for kind in offered.split()}}]).imp
    assert profile.takes(imp) == taken


def test_who_pays_what_was_bid_holds_first_price_auctions() -> None:
    assert completed(Profile(name="acme", pays_bid=True), at=2).at == 1


def test_what_markup_bills_is_charged_by_that() -> None:
    profile = Profile(name="acme", charge_on="win", bills_by_markup=True)
    assert [profile.is_charged_by_win(kind, "bill") for kind in ("banner", "video", "native", "audio")] == [
        True,
        False,
        False,
        False,
    ]


def test_a_key_in_an_address_is_found_where_the_profile_puts_one() -> None:
    inside, asked, plain = (
        Profile(name="inside", key_in="path"),
        Profile(name="asked", key_in="parameter"),
        Profile(name="plain"),
    )
    exchanges = Exchanges([inside, asked, plain])
    for address, found in {
        ("/openrtb2/inside", b""): ("/openrtb2/inside", None),
        ("/openrtb2/inside/", b""): ("/openrtb2/inside", None),
        ("/openrtb2/inside/se/cr+et=", b""): ("/openrtb2/inside", "se/cr+et="),
        ("/openrtb2/bid/inside/secret", b"gzip=1"): ("/openrtb2/bid/inside", "secret"),
        ("/openrtb2/inside", b"key=secret"): ("/openrtb2/inside", None),
        ("/openrtb2/asked", b"gzip=1&key=se%2Bcret&key=other"): ("/openrtb2/asked", "se+cret"),
        ("/openrtb2/asked", b"monkey=secret&key="): ("/openrtb2/asked", None),
        ("/openrtb2/asked/secret", b""): ("/openrtb2/asked/secret", None),
        ("/openrtb2/plain/secret", b"key=secret"): ("/openrtb2/plain/secret", None),
        ("/openrtb2/plain", b"key=secret"): ("/openrtb2/plain", None),
    }.items():
        assert exchanges.addressed(*address) == found
