"""Blocks of a request, in all the ways that callers write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.inventory import blocks
from rtb.inventory.impression import impressions_of
from rtb.openrtb import InvalidRequest, decode_request
from tests.rtb.builders import make_campaign, make_request, to_json

_LABEL = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
_DOMAINS = st.lists(_LABEL, min_size=2, max_size=4).map(".".join).filter(lambda name: not name.startswith("www."))


def _keys(**fields: Any) -> tuple[str, ...]:
    return blocks.blocked_keys(decode_request(to_json(make_request(**fields))))


@pytest.mark.parametrize(
    "sent",
    [
        "https://a.org,https://shop.example",
        " a.org , shop.example ",
        ["a.org,shop.example"],
        ["a.org;shop.example"],
        ["a.org shop.example"],
        '["a.org", "shop.example"]',
        ["a.org", "https://*.shop.example/*"],
        ["a.org", "*.shop.example"],
        ["a.org", ".Shop.Example."],
        ["a.org", "https%3A%2F%2Fwww.shop.example%2Fsale"],
        ["a.org", "https:/shop.example:443"],
        ["a.org", "//shop.example/"],
        ["a.org", '"shop.example"'],
        ["a.org", "", None, "shop.example"],
        [["a.org"], ["shop.example"]],
        ["a.org", ["shop.example"]],
        {"0": "a.org", "2": "shop.example"},
        ["ftp://a.org", "android-app://shop.example/x"],
        ["a.org", "mailto:sales@shop.example"],
        ["a.org", "shop\u3002example"],
        ["a.org", "shop.example\u200b"],
        "a.org|shop.example",
        "a.org\nshop.example\n",
    ],
)
def test_advertisers_are_blocked_however_they_are_written(sent: Any) -> None:
    assert _keys(badv=sent) == ("adv:a.org", "adv:shop.example")


def test_an_international_domain_is_the_same_in_either_form() -> None:
    assert _keys(badv=["bücher.example"]) == _keys(badv=["xn--bcher-kva.example"])
    assert _keys(badv=["straße.example"]) == _keys(badv=["xn--strae-oqa.example"])
    assert _keys(badv=["*.Bücher.example"]) == _keys(badv=["b%C3%BCcher.example."])


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("IAB-1,IAB-22", ("cat:IAB1", "cat:IAB22")),
        (["IAB-1,IAB-22"], ("cat:IAB1", "cat:IAB22")),
        (["iab01", "IAB 22", "IAB3 IAB4"], ("cat:IAB1", "cat:IAB22", "cat:IAB3", "cat:IAB4")),
        (["IAB1_2", "iab-22-3", "IAB22.3"], ("cat:IAB1-2", "cat:IAB22-3", "cat:IAB22-3")),
        (["IAB1*", "IAB22-*"], ("cat:IAB1", "cat:IAB22")),
        (["IAB1\u20132", "IAB1/2", "IAB1:2", "iab 1 - 2"], ("cat:IAB1-2",) * 4),
        (["IAB1-", "IAB22_"], ("cat:IAB1", "cat:IAB22")),
        ([["IAB1"], ["IAB22"]], ("cat:IAB1", "cat:IAB22")),
        ({"1": "IAB1", "7": "IAB22"}, ("cat:IAB1", "cat:IAB22")),
        ({}, ()),
        ([1, "22"], ("cat:1", "cat:22")),
        (["IAB25-WS1", "APN-164", 13423], ("cat:IAB25-WS1", "cat:APN-164", "cat:13423")),
    ],
)
def test_categories_are_blocked_however_they_are_written(sent: Any, keys: tuple[str, ...]) -> None:
    assert _keys(bcat=sent) == keys


@pytest.mark.parametrize("cattax", [1, "1", 0, None, "", -1])
def test_categories_are_of_the_first_taxonomy_unless_another_is_named(cattax: Any) -> None:
    assert _keys(bcat=["iab-1"], cattax=cattax) == ("cat:IAB1",)


@pytest.mark.parametrize(
    ("sent", "seats"),
    [
        ("raybid, other", {"raybid", "other"}),
        (["other;raybid"], {"raybid", "other"}),
        (["other|raybid"], {"raybid", "other"}),
        ([["raybid"], [7]], {"raybid", "7"}),
        ({"3": "raybid"}, {"raybid"}),
        ([None, " raybid "], {"raybid"}),
        (["a seat, with a comma"], {"a seat, with a comma", "a seat", "with a comma"}),
    ],
)
@pytest.mark.parametrize("field", ["wseat", "bseat"])
def test_seats_are_read_however_they_are_written(sent: Any, seats: set[str], field: str) -> None:
    found, _ = impressions_of(decode_request(to_json(make_request(**{field: sent}))), 0, "USD", 1)
    restrictions = found[0].audience.restrictions
    assert seats <= set(restrictions.seats if field == "wseat" else restrictions.barred_seats)


@pytest.mark.parametrize(
    ("sent", "domains"),
    [
        (["a.org, https://www.Shop.example/"], ("a.org", "shop.example")),
        ("a.org;*.shop.example", ("a.org", "shop.example")),
        (["https://"], ("https://",)),
        (["a.org", "*"], ()),
        ([""], ()),
    ],
)
def test_advertisers_of_a_deal_are_read_as_those_of_a_request(sent: Any, domains: tuple[str, ...]) -> None:
    deal = {"id": "d", "wadomain": sent, "wseat": ["a;b"]}
    imp = {"id": "1", "banner": {"w": 300, "h": 250}, "pmp": {"deals": [deal]}}
    found, _ = impressions_of(decode_request(to_json(make_request(imp=[imp]))), 0, "USD", 1, held={"d"})
    terms = found[0].deal
    assert terms is not None
    assert terms.domains == domains
    assert {"a", "b"} <= set(terms.seats)


def test_codes_of_later_taxonomies_stay_as_they_are() -> None:
    assert _keys(bcat=["1", "22"], cattax=6) == ("cat:1", "cat:22")


@pytest.mark.parametrize(
    "sent",
    [
        ["https://play.google.com/store/apps/details?id=com.Rival&hl=de", "https://apps.apple.com/us/app/x/id123"],
        "com.rival,id123",
        ["com.rival", 123],
    ],
)
def test_apps_are_blocked_however_they_are_written(sent: Any) -> None:
    assert _keys(bapp=sent) == ("app:com.rival", "app:123")
    assert "app:123" in blocks.traits_of(make_campaign(bundle="id123"))


@pytest.mark.parametrize(
    "fields",
    [
        {"badv": "https://"},
        {"badv": ["[bad"]},
        {"badv": True},
        {"badv": [{"domain": "a.org"}]},
        {"badv": {"a.org": 1}},
        {"bapp": ["https://store.example/app/of/theirs"]},
        {"bcat": [True]},
        {"badv": [f"a{number}.*" for number in range(20)]},
    ],
)
def test_a_block_that_cannot_be_read_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        _keys(**fields)


@given(_DOMAINS, st.sampled_from(["{}", "*.{}", ".{}", "https://{}", "http://www.{}/a?b=1", "{}.", " {} ", "{}:8080"]))
def test_every_spelling_of_a_domain_blocks_it_and_those_below_it(name: str, spelling: str) -> None:
    (key,) = _keys(badv=[spelling.format(name)])
    assert key in blocks.traits_of(make_campaign(adomain=(name,)))
    assert key in blocks.traits_of(make_campaign(adomain=(f"sale.{name}",)))


@pytest.mark.parametrize(
    ("key", "blocked"),
    [("adv:*", True), ("adv:shop.*", True), ("adv:*hop.example", True), ("adv:s*e", True), ("adv:shopp.*", False)],
)
def test_a_wildcard_stands_for_any_characters(key: str, blocked: bool) -> None:
    traits = blocks.traits_of(make_campaign(adomain=("shop.example",)))
    assert (key in traits or bool(blocks.matches(key, traits))) == blocked
