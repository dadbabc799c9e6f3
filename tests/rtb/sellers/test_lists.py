"""ads.txt and sellers.json as publishers and systems write them, and who is authorised by them."""

from __future__ import annotations

import pytest

from rtb.openrtb.supply_chain import Seller
from rtb.sellers import SellerDirectory, SellersError, Standing, read_ads_txt, read_sellers_json

_ADS_TXT = b"""\xef\xbb\xbf# ads.txt of news.example
contact=ads@news.example
OWNERDOMAIN=news.example
Exchange.Example, 1234, direct, f08c47fec0942fa0 # ours
reseller.example,abc ,RESELLER;extension
half.example, 1
 , 5, DIRECT
"""


def test_records_are_read_and_all_else_is_skipped() -> None:
    assert read_ads_txt(_ADS_TXT).sellers == {Seller("exchange.example", "1234"), Seller("reseller.example", "abc")}


def test_a_system_is_its_domain_however_it_is_written() -> None:
    text = b"https://www.Exchange.example/, 1, DIRECT\nexchange.example., 2, DIRECT\n"
    assert {one.system for one in read_ads_txt(text).sellers} == {"exchange.example"}


def test_a_publisher_may_authorise_nobody() -> None:
    assert read_ads_txt(b"placeholder.example.com, placeholder, DIRECT, placeholder\n").sellers == frozenset()


@pytest.mark.parametrize("text", [b"", b"<!doctype html><title>Not found</title>", b"# nothing yet\n", b"\xff\xfe\x00"])
def test_a_page_that_is_no_list_is_refused(text: bytes) -> None:
    with pytest.raises(SellersError):
        read_ads_txt(text)


def test_a_sellers_json_names_accounts() -> None:
    text = b"""{"version": "1.0", "sellers": [
        {"seller_id": "1", "seller_type": "PUBLISHER", "domain": "news.example"},
        {"seller_id": 2, "seller_type": "intermediary"}, {"is_confidential": 1}]}"""
    read = read_sellers_json(text)
    assert read.accounts == {"1", "2"}
    assert read.intermediaries == {"2"}


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"sellers": {}}', b"\xff"])
def test_what_is_no_sellers_json_is_refused(text: bytes) -> None:
    with pytest.raises(SellersError):
        read_sellers_json(text)


_DIRECTORY = SellerDirectory(
    ads_txt={"news.example": read_ads_txt(_ADS_TXT)},
    sellers_json={
        "exchange.example": read_sellers_json(
            b'{"sellers": [{"seller_id": "1234", "seller_type": "PUBLISHER"}, {"seller_id": "9"}]}'
        ),
        "reseller.example": read_sellers_json(b'{"sellers": [{"seller_id": "abc", "seller_type": "INTERMEDIARY"}]}'),
    },
)


@pytest.mark.parametrize(
    ("sellers", "is_complete", "standing"),
    [
        ([("exchange.example", "1234")], True, Standing.AUTHORISED),
        ([("exchange.example", "1234"), ("reseller.example", "abc")], True, Standing.AUTHORISED),
        ([("exchange.example", "12345")], True, Standing.UNAUTHORISED),
        ([("exchange.example", "9")], True, Standing.UNAUTHORISED),  # known to the system, not to the publisher
        ([("exchange.example", "1234"), ("other.example", "1")], True, Standing.UNAUTHORISED),
        ([("reseller.example", "abc")], True, Standing.UNAUTHORISED),  # an intermediary is no publisher
        ([("reseller.example", "abc")], False, Standing.AUTHORISED),
        ([], True, Standing.UNKNOWN),
    ],
)
def test_all_sellers_have_to_be_authorised(
    sellers: list[tuple[str, str]], is_complete: bool, standing: Standing
) -> None:
    listed = _DIRECTORY.of_site(["sale.news.example", "news.example", "example"])
    found = _DIRECTORY.standing(listed, [Seller(*one) for one in sellers], is_complete=is_complete)
    assert found is standing


def test_without_a_list_nothing_is_known() -> None:
    sellers = [Seller("exchange.example", "1234")]
    assert _DIRECTORY.standing(None, sellers, is_complete=True) is Standing.UNKNOWN
