"""Prebid Servers as callers, over HTTP: keys in addresses, addresses that bill, what comes late, twice, or changed."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from rtb.exchanges import load, number_of
from rtb.settlement.notice_tokens import BidRef, Kind, Signer
from simulation.exchange.generous import RATES
from tests.conftest import Valkey
from tests.deployments.in_process import Platform, running
from tests.rtb.builders import make_campaign
from verification.prebid_server.__main__ import spent_by
from verification.prebid_server.auctions import auctions_of, campaigns
from verification.prebid_server.clients import GENERIC, SERVERS
from verification.prebid_server.trial import Trial, paths_with

KEY = "a/key+of=a Prebid Server"
WRONG = "a-wrong-key-that-nobody-may-read-anywhere"
JAVA, GO = "/openrtb2/prebid_server_java", "/openrtb2/prebid_server"
REQUEST = {
    "id": "r-1",
    "imp": [{"id": "1", "banner": {"format": [{"w": 300, "h": 250}]}}],
    "site": {"domain": "news.example"},
    "cur": ["USD"],
}


@pytest.fixture(scope="module")
def platform(valkey_server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    valkey_server.flush()
    folder = tmp_path_factory.mktemp("prebid")
    rates = folder / "rates.json"
    rates.write_text(
        json.dumps({"base": "USD", "rates": {code: rate for code, rate in RATES.items() if code != "USD"}})
    )
    profiles = folder / "exchanges"
    profiles.mkdir()
    (profiles / "asked.yaml").write_text(yaml.safe_dump({"name": "asked", "key_in": "parameter"}))
    settings: dict[str, Any] = {"exchange_keys": KEY, "rates": rates, "exchanges_dir": profiles}
    with running(valkey_server, folder / "var", **settings) as platform:
        platform.register(make_campaign("first", value=1_000), *campaigns())
        yield platform


@pytest.fixture
def caller(platform: Platform) -> Iterator[httpx.Client]:
    """Send no key in a header."""
    with platform.client(None) as client:
        yield client


@pytest.fixture
def admin(platform: Platform) -> Iterator[httpx.Client]:
    with platform.client() as client:
        yield client


def bid_of(caller: httpx.Client, path: str = f"{JAVA}/{KEY}", **fields: Any) -> dict[str, Any]:
    answer = caller.post(path, json=REQUEST | fields)
    assert answer.status_code == 200, answer.status_code
    bid: dict[str, Any] = answer.json()["seatbid"][0]["bid"][0]
    return bid


def notice(caller: httpx.Client, url: str) -> int:
    parts = urlsplit(url)
    return caller.get(f"{parts.path}?{parts.query}").status_code


def counter(admin: httpx.Client, name: str) -> int:
    return int(admin.get("/stats").json()["counters"].get(name, 0))


@pytest.mark.parametrize(
    "sent",
    [
        (f"{JAVA}/{KEY}", {}, 200),
        (f"/openrtb2/bid/prebid_server_java/{KEY}", {}, 200),
        (f"{GO}/{KEY}", {}, 200),
        (f"{GO}/{KEY}?gzip=1", {}, 200),
        (GO, {"x-api-key": KEY}, 200),
        (f"{GO}/{WRONG}", {"x-api-key": KEY}, 200),  # a header goes first
        ("/openrtb2/asked?key=a/key+of=a%20Prebid%20Server", {}, 200),
        (f"{JAVA}/{WRONG}", {}, 401),
        (f"{JAVA}/", {}, 401),
        (JAVA, {}, 401),
        (f"{JAVA}?key={WRONG}", {}, 401),
        (f"/openrtb2/asked?key={WRONG}", {}, 401),
        (f"/openrtb2/asked/{WRONG}", {}, 404),
        (f"/openrtb2/openrtb26/{WRONG}", {}, 404),
    ],
)
def test_a_key_is_in_a_header_the_path_or_a_parameter_by_profile_and_never_logged(
    platform: Platform,
    caller: httpx.Client,
    caplog: pytest.LogCaptureFixture,
    sent: tuple[str, dict[str, str], int],
) -> None:
    path, headers, status = sent
    logger = logging.getLogger("ray.serve.raybid")
    logger.addHandler(caplog.handler)
    try:
        assert caller.post(path, json=REQUEST, headers=headers).status_code == status
        assert caller.get(path).status_code == 405
    finally:
        logger.removeHandler(caplog.handler)
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("ray"))
    assert (KEY in ours, WRONG in ours) == (False, False)
    folder = platform.router.parts.stores.settings.var_dir
    written = [one for one in folder.rglob("*") if one.is_file() and WRONG.encode() in one.read_bytes()]
    assert written == []


def test_any_two_of_the_addresses_charge_once_and_what_a_page_adds_changes_nothing(
    caller: httpx.Client, admin: httpx.Client
) -> None:
    for added in ("", "?price=0.01", "?price=99&cur=JPY", "?price=AUDIT", "?price=${AUCTION_PRICE}", "?qty=0.1"):
        before = spent_by(admin)
        bid = bid_of(caller)
        for _ in range(2):
            for address in (bid["nurl"], bid["burl"]):
                assert notice(caller, address + added) == 204
        assert spent_by(admin) - before == round(bid["price"] * 1_000)


def test_notices_by_thousands_for_one_bid_charge_once(caller: httpx.Client, admin: httpx.Client) -> None:
    bid = bid_of(caller)
    before, noticed = spent_by(admin), counter(admin, "exchange_notice.prebid_server_java.charged")
    assert {notice(caller, bid["burl"]) for _ in range(2_000)} == {204}
    assert spent_by(admin) - before == round(bid["price"] * 1_000)
    assert counter(admin, "exchange_notice.prebid_server_java.charged") - noticed == 1


def test_a_cut_or_changed_address_charges_nothing_and_is_counted(caller: httpx.Client, admin: httpx.Client) -> None:
    before, forged = spent_by(admin), counter(admin, "notice.bill.forged")
    bid = bid_of(caller)
    token = urlsplit(bid["burl"]).path.rpartition("/")[2]
    middle = len(token) // 2
    changed = [token[:-1], token[:-4], token[1:], token[:middle] + "AAAA" + token[middle + 4 :], "A" * len(token)]
    changed.append(urlsplit(bid["nurl"]).path.rpartition("/")[2])
    assert {caller.get(f"/notice/bill/{one}").status_code for one in changed} == {403}
    assert spent_by(admin) == before
    assert counter(admin, "notice.bill.forged") - forged == len(changed)
    assert notice(caller, bid["burl"]) == 204
    assert spent_by(admin) - before == round(bid["price"] * 1_000)


def test_a_loss_after_the_charge_counts_none(caller: httpx.Client, admin: httpx.Client) -> None:
    bid = bid_of(caller)
    before = admin.get(f"/campaign/{bid['cid']}").json()["figures"]["losses"]
    assert notice(caller, bid["burl"]) == 204
    assert notice(caller, bid["lurl"]) == 204
    assert admin.get(f"/campaign/{bid['cid']}").json()["figures"]["losses"] == before
    assert counter(admin, "notice.loss.charged")


def test_a_notice_after_exp_is_honoured_in_the_grace_of_its_profile(platform: Platform, caller: httpx.Client) -> None:
    signer = Signer(*platform.router.parts.stores.settings.notice_secrets())
    for path, grace in (
        (f"{JAVA}/{KEY}", 120),
        (f"{GO}/{KEY}", 120),
        ("/openrtb2/asked?key=a/key%2Bof=a Prebid Server", 0),
    ):
        bid = bid_of(caller, path)
        ref = signer.read(urlsplit(bid["burl"]).path.rpartition("/")[2], Kind.BILL)
        assert abs(ref.expires - time.time() - bid["exp"] - grace) < 3
    past = BidRef(ref.lease, 99_999, ref.campaign, 0, 1, int(time.time()) - 1, exchange=number_of("asked"))
    assert caller.get(f"/notice/bill/{signer.sign(past, Kind.BILL)}").status_code == 410


def test_a_request_of_another_taxonomy_is_told(caller: httpx.Client, admin: httpx.Client) -> None:
    before = counter(admin, "taxonomy.7")
    answer = caller.post(f"{JAVA}/{KEY}", json=REQUEST | {"acat": ["53"], "cattax": 7})
    assert answer.status_code == 204
    assert counter(admin, "taxonomy.7") - before == 1
    assert 'raybid_unread_taxonomies_total{taxonomy="7"}' in admin.get("/metrics").text


def test_notices_by_exchange_are_in_the_metrics(caller: httpx.Client, admin: httpx.Client) -> None:
    bid = bid_of(caller)
    notice(caller, bid["nurl"])
    notice(caller, bid["burl"])
    text = admin.get("/metrics").text
    for outcome in ("win", "charged"):
        assert f'raybid_exchange_notices_total{{exchange="prebid_server_java",outcome="{outcome}"}}' in text


def test_each_server_pays_each_ad_once_and_takes_none_for_another_format(
    platform: Platform, caller: httpx.Client, admin: httpx.Client
) -> None:
    held = auctions_of(late=0)
    assert len(auctions_of()) >= 160
    trial = Trial(caller, paths_with(KEY, load()), lambda: spent_by(admin), RATES)
    outcome = trial.run(held)
    assert outcome.messages == []
    assert outcome.is_good
    told = outcome.summary()
    assert (told["auctions"], told["charged_once"]) == (len(held), len(held))
    assert told["by_format"].keys() == {"banner", "video", "native", "audio"}
    assert told["by_server"].keys() == {server.name for server in SERVERS}


def test_the_trial_sees_what_is_wrong(platform: Platform, caller: httpx.Client, admin: httpx.Client) -> None:
    one = next(auction for auction in auctions_of([GENERIC], late=0) if len(auction.formats) > 1)
    paths = {"prebid_server_java": f"{GO}/{KEY}"}  # which bids what pays most, and not the first format
    mistyped = Trial(caller, paths, lambda: spent_by(admin), RATES).run([one])
    assert (mistyped.mistyped, mistyped.is_good) == (1, False)
    banner = next(auction for auction in auctions_of([GENERIC], late=0) if auction.formats == ("banner",))
    unpaid = Trial(caller, paths, lambda: 0, RATES).run([banner])
    assert (unpaid.shown, unpaid.charged_once, unpaid.is_good) == (1, 0, False)
    assert unpaid.differs_micros > 0
    silent = Trial(caller, {"prebid_server_java": f"{GO}/{WRONG}"}, lambda: 0, RATES).run([banner])
    assert (silent.shown, silent.is_good) == (0, False)
    assert "no bid, status 401" in silent.messages[0]
