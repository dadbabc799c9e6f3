"""Notices at the desk: status, outcome and what they do to the money."""

from __future__ import annotations

import asyncio
import time
from ipaddress import ip_address
from itertools import permutations
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from deployments.notice_handler import NoticeHandler, Reply
from rtb.auction.edge import Edge
from rtb.campaigns.campaign import Campaign
from rtb.exchanges import Exchanges, Profile, number_of
from rtb.ledger import Balance, Floor, Grant, LedgerError, MemoryLedger
from rtb.money.currency import Rates
from rtb.settlement.charging import Charging
from rtb.settlement.encrypted_prices import PriceKeys
from rtb.settlement.notice_tokens import TEST_LEASE, BidRef, Kind, Signer, creative_number
from rtb.targeting.listing import Listing
from rtb.targeting.users import UserKeys
from tests.rtb.builders import make_campaign, make_creative
from tests.rtb.settlement.prices import encrypted

SECRET = "a secret of the tests"
HOUR, DAY = 3_600.0, 86_400.0
KEYS = PriceKeys(b"e" * 32, b"i" * 32)
PROFILES = (
    Profile(name="discounting", discounts=True),
    Profile(name="encrypting", price_keys="acme"),
    Profile(name="nearby", notice_networks=("192.0.2.0/24", "2001:db8::/32")),
)
LANDING = "https://shop.example/sale?a=1&b=2#top"


class Desk:
    """A desk over a ledger in memory, where campaign 1 has leased 5,000 of 10,000 micros."""

    def __init__(self, charge_on: str = "bill", ledger: Any = None, frequency: Any = None) -> None:
        self.signer = Signer(SECRET)
        self.ledger = ledger or MemoryLedger()
        edge = Edge(
            signer=self.signer,
            users=UserKeys(SECRET),
            base_url="http://bidder.example",
            currency="USD",
            max_imps=8,
            max_candidates=8,
        )
        creatives = (make_creative("first"), make_creative("second", landing_url=LANDING))
        self.edge = edge
        self.show(make_campaign("spring", creatives=creatives))
        profiles = Exchanges(PROFILES)
        self._desk = NoticeHandler(
            self.signer,
            self.ledger,
            edge,
            frequency,
            charging=Charging(profiles, {"acme": KEYS}, 1_800.0, lambda: Rates("USD", {"EUR": 0.8})),
            exchanges=profiles,
        )
        self._is_win = charge_on == "win"
        asyncio.run(self.ledger.open(1, 10_000))
        if ledger is None:
            asyncio.run(self.ledger.lease([Grant(7, 1, 5_000, 0.0, time.time() + 1_000)]))

    def show(self, *campaigns: Campaign) -> None:
        """Set the active campaigns."""
        self.edge.set_catalog([Listing(number, campaign) for number, campaign in enumerate(campaigns, 1)])

    def get(self, path: str, query: str | bytes = b"", address: str = "", *, is_look: bool = False) -> Reply:
        asked_from = ip_address(address) if address else None
        query = query if isinstance(query, bytes) else query.encode()
        return asyncio.run(self._desk.handle(path, query, asked_from, is_look=is_look))

    def tell(self, kind: Kind, ref: BidRef, query: str | bytes = b"", address: str = "") -> Reply:
        return self.get(
            f"/notice/{kind}/{self.signer.sign(ref._replace(charged_by_win=self._is_win), kind)}", query, address
        )

    @property
    def balance(self) -> Balance:
        return asyncio.run(self.ledger.balances([1]))[0]


class Away(MemoryLedger):
    """A ledger that answers no notice."""

    async def settle(self, *_: Any, **__: Any) -> Any:
        raise LedgerError("the ledger does not answer")

    release = count = settle


@pytest.fixture
def desk() -> Desk:
    return Desk()


def bid(*, campaign: int = 1, creative: int = 0, ceiling: int = 2_000, seconds: float = 100.0) -> BidRef:
    return BidRef(7, 1, campaign, creative, ceiling, int(time.time() + seconds))


def test_a_bill_spends_its_price_once(desk: Desk):
    assert desk.tell(Kind.BILL, bid(), "price=1.5") == Reply(204, "settled")
    assert desk.tell(Kind.BILL, bid(), "price=1.5") == Reply(204, "duplicate")
    assert (desk.balance.spent, desk.balance.bills) == (1_500, 1)


def test_a_bill_spends_at_most_what_was_bid(desk: Desk):
    assert desk.tell(Kind.BILL, bid(), "price=99") == Reply(204, "settled", extra_outcomes=("above_bid",))
    assert desk.tell(Kind.BILL, bid(), "price=99") == Reply(204, "duplicate")
    assert desk.balance.spent == 2_000


@pytest.mark.parametrize("price", ["MS41", "MS41MA==", "MS41MA", "MS41MA%3D%3D", "MDAxLjU_", "MDAxLjU/"])
def test_a_price_in_base64_is_read_and_counted(desk: Desk, price: str):
    reply = desk.tell(Kind.BILL, bid(), f"price={price}")
    if price.startswith("MDAxLjU"):  # says `001.5?`
        assert reply.outcome == "not_a_price"
    else:
        assert reply == Reply(204, "settled", extra_outcomes=("base64",))
        assert desk.balance.spent == 1_500


class Counted:
    """A frequency gate that keeps what it was told to count."""

    def __init__(self, works: bool = True) -> None:
        self.works, self.seen = works, []  # type: ignore[var-annotated]

    async def count(self, campaign: int, user: int) -> bool:
        self.seen.append((campaign, user))
        return self.works


def test_a_user_has_seen_what_was_charged_once():
    gate = Counted()
    desk = Desk(frequency=gate)
    ref = bid()._replace(user=99)
    for kind in (Kind.WIN, Kind.BILL, Kind.BILL, Kind.LOSS, Kind.CLICK):
        desk.tell(kind, ref, "price=1")
    desk.tell(Kind.BILL, bid()._replace(sequence=2), "price=AUDIT")
    assert gate.seen == [(1, 99)]


def test_a_charge_is_acknowledged_though_its_user_could_not_be_counted():
    reply = Desk(frequency=Counted(works=False)).tell(Kind.BILL, bid(), "price=1")
    assert reply == Reply(204, "settled", extra_outcomes=("frequency_lost",))


@pytest.mark.parametrize("price", ["QVVESVQ=", "QVVESVQ"])
def test_an_audit_in_base64_is_an_audit(desk: Desk, price: str):
    assert desk.tell(Kind.BILL, bid(), f"price={price}").outcome == "audit"


class Told(MemoryLedger):
    """A ledger that keeps what was said to have won."""

    told: int | None = -1

    async def release(self, *args: Any, min_to_win_micros: int | None = None) -> Any:
        self.told = min_to_win_micros
        return await super().release(*args)

    async def count(self, *args: Any, min_to_win_micros: int | None = None) -> Any:
        self.told = min_to_win_micros
        return await super().count(*args)

    async def settle(self, *args: Any, min_to_win_micros: int | None = None) -> Any:
        self.told = min_to_win_micros
        return await super().settle(*args)


@pytest.mark.parametrize("kind", [Kind.WIN, Kind.BILL, Kind.LOSS])
@pytest.mark.parametrize(
    ("value", "micros"),
    [
        ("1.25", 1_250),
        ("MS4yNQ==", 1_250),
        *((value, None) for value in ("", "${AUCTION_MIN_TO_WIN}", "-1", "AUDIT", "x")),
    ],
)
def test_what_would_have_won_is_recorded_and_never_a_reason_to_refuse(kind: Kind, value: str, micros: int | None):
    ledger = Told()
    assert Desk(ledger=ledger).tell(kind, bid(), f"price=1&min={value}").status == 204
    assert ledger.told == micros


def test_a_win_is_counted_and_free_when_bills_are_charged(desk: Desk):
    assert desk.tell(Kind.WIN, bid(), "price=1.5") == Reply(204, "counted")
    assert desk.tell(Kind.WIN, bid(), "price=1.5") == Reply(204, "duplicate")
    assert (desk.balance.spent, desk.balance.wins) == (0, 1)
    assert desk.tell(Kind.BILL, bid(), "price=1.5").outcome == "settled"


def test_a_win_is_charged_and_a_bill_counted_when_wins_are_charged():
    desk = Desk(charge_on="win")
    assert desk.tell(Kind.BILL, bid()) == Reply(204, "counted")
    assert desk.tell(Kind.WIN, bid(), "price=1.5") == Reply(204, "settled")
    assert (desk.balance.spent, desk.balance.wins, desk.balance.bills) == (1_500, 1, 1)


@pytest.mark.parametrize(("of", "kind"), list(permutations(Kind, 2)))
def test_a_token_of_one_notice_serves_no_other(desk: Desk, of: Kind, kind: Kind):
    before = desk.balance
    reply = desk.get(f"/notice/{kind}/{desk.signer.sign(bid(), of)}", b"price=1")
    assert (reply.status, reply.outcome) == (403, "forged")
    assert desk.balance == before


def test_a_loss_frees_the_money_once(desk: Desk):
    assert desk.tell(Kind.LOSS, bid(), "reason=102") == Reply(204, "freed")
    assert desk.tell(Kind.LOSS, bid(), "reason=102") == Reply(204, "duplicate")
    assert (desk.balance.available, desk.balance.leased, desk.balance.losses) == (7_000, 3_000, 1)


@pytest.mark.parametrize(("query", "micros"), [("reason=102&min=2.5", 2_500), ("reason=102", None), ("min=${X}", None)])
def test_a_loss_passes_on_the_least_bid_that_would_have_won(query: str, micros: int | None):
    class Listening(MemoryLedger):
        heard: int | None = -1

        async def release(self, ref: BidRef, now: float, *, min_to_win_micros: int | None = None) -> Any:
            self.heard = min_to_win_micros
            return await super().release(ref, now, min_to_win_micros=min_to_win_micros)

    ledger = Listening()
    assert Desk(ledger=ledger).tell(Kind.LOSS, bid(), query).status == 204
    assert ledger.heard == micros


def test_a_bill_that_cannot_be_paid_is_acknowledged_and_counted(desk: Desk):
    broke = bid(ceiling=2**40)
    assert desk.tell(Kind.BILL, broke, "price=1000000") == Reply(204, "unfunded")
    assert (desk.balance.spent, desk.balance.unfunded) == (0, 1)


@pytest.mark.parametrize("price", ["AUDIT", "audit"])
def test_an_audit_of_the_url_is_welcome_and_spends_nothing(desk: Desk, price: str):
    reply = desk.tell(Kind.BILL, bid(), f"price={price}")
    assert (reply.status, reply.outcome) == (204, "audit")
    assert desk.balance.spent == 0
    assert desk.tell(Kind.BILL, bid(), "price=1").outcome == "settled"


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        (b"", "unfilled"),
        (b"price=", "empty"),
        (b"other=1", "unfilled"),
        (b"price=${AUCTION_PRICE}", "unfilled"),
        (b"price=%24%7BAUCTION_PRICE%7D", "unfilled"),
        (b"price=%2524%257BAUCTION_PRICE%257D", "unfilled"),
        (b"price=a%20lot", "not_a_price"),
        (b"price=-1", "negative"),
        (b"price=LTE", "negative"),
        (b"price=nan", "not_a_price"),
        (b"price=inf", "not_a_price"),
        (b"price=1e300", "not_a_price"),
        (b"price=1,5", "not_a_price"),
        (b"price=\xff\xfe", "not_a_price"),
        (b"price=%ff", "not_a_price"),
    ],
)
def test_a_bill_without_a_price_is_refused_and_may_be_repeated_with_one(desk: Desk, query: bytes, outcome: str):
    reply = desk.tell(Kind.BILL, bid(), query)
    assert (reply.status, reply.outcome) == (400, outcome)
    assert reply.message
    assert desk.balance.spent == 0
    assert desk.tell(Kind.BILL, bid(), "price=1").outcome == "settled"


@pytest.mark.parametrize(
    ("query", "spent"),
    [
        (b"price=1%2E5", 1_500),
        (b"price=1.5000", 1_500),
        (b"price=15e-1", 1_500),
        (b"%70rice=1.5", 1_500),
        (b"price=1.5&price=2", 1_500),
        (b"a=%ff&price=1.5&b", 1_500),
        (b"price=0", 0),
        (b"price=0.0004", 0),
        (b"price=0.0006", 1),
    ],
)
def test_a_price_may_be_written_in_many_ways(desk: Desk, query: bytes, spent: int):
    assert desk.tell(Kind.BILL, bid(), query).outcome == "settled"
    assert desk.balance.spent == spent


@pytest.mark.parametrize(
    "path",
    [
        "/notice/",
        "/notice/bill",
        "/notice/refund/{token}",
        "/notice/BILL/{token}",
        "/notice/bill/{token}/more",
        "/notice//{token}",
        "/other/bill/{token}",
    ],
)
def test_what_is_no_notice_is_not_found(desk: Desk, path: str):
    reply = desk.get(path.format(token=desk.signer.sign(bid(), Kind.BILL)), b"price=1")
    assert (reply.status, reply.outcome) == (404, "unknown_kind")
    assert desk.balance.spent == 0


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("token", ["", "x", "AAAA" * 14, "\u00e9", "{cut}", "{other secret}", "{other group}"])
def test_a_forged_token_is_refused(desk: Desk, kind: Kind, token: str):
    other_group = Kind.BILL if kind in (Kind.CLICK, Kind.CONVERSION) else Kind.CLICK
    tokens = {
        "{cut}": desk.signer.sign(bid(), kind)[:-1],
        "{other secret}": Signer("another secret of ours").sign(bid(), kind),
        "{other group}": desk.signer.sign(bid(), other_group),
    }
    before = desk.balance
    reply = desk.get(f"/notice/{kind}/{tokens.get(token, token)}", b"price=1")
    assert (reply.status, reply.outcome) == (403, "forged")
    assert desk.balance == before


@pytest.mark.parametrize("kind", [Kind.WIN, Kind.BILL, Kind.LOSS])
def test_a_notice_of_money_after_its_expiry_is_gone(desk: Desk, kind: Kind):
    before = desk.balance
    reply = desk.tell(kind, bid(seconds=-2), "price=1")
    assert (reply.status, reply.outcome) == (410, "expired")
    assert desk.balance == before


def test_clicks_and_conversions_count_after_the_expiry_too(desk: Desk):
    assert desk.tell(Kind.CLICK, bid(seconds=-2)).status == 302
    assert desk.tell(Kind.CONVERSION, bid(seconds=-2)).status == 204
    assert desk.balance.unpaid == 2  # nobody charged it


def test_a_click_a_day_late_leads_on_but_is_not_counted(desk: Desk):
    late = bid(seconds=-DAY - HOUR)
    reply = desk.tell(Kind.CLICK, late)
    assert (reply.status, reply.outcome) == (302, "expired")
    assert desk.balance.clicks == 0


def test_a_conversion_counts_for_a_month_and_is_gone_after(desk: Desk):
    assert desk.tell(Kind.CONVERSION, bid(seconds=-29 * DAY)) == Reply(204, "unpaid")
    assert desk.tell(Kind.CONVERSION, bid(seconds=-31 * DAY)).status == 410
    assert desk.balance.unpaid == 1


@pytest.mark.parametrize("kind", [Kind.WIN, Kind.BILL, Kind.LOSS, Kind.CONVERSION])
def test_a_notice_of_a_campaign_that_the_ledger_lost_is_to_come_again(desk: Desk, kind: Kind):
    """Its token is good, so there was such a campaign."""
    reply = desk.tell(kind, bid(campaign=2), "price=1")
    assert (reply.status, reply.outcome) == (503, "unknown")
    asyncio.run(desk.ledger.verify([Floor(1, 1)]))
    before = desk.balance
    reply = desk.tell(kind, bid(), "price=1")
    assert (reply.status, reply.outcome) == (503, "behind")
    assert desk.balance == before


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("charge_on", ["win", "bill"])
def test_nothing_is_acknowledged_while_the_ledger_is_away(kind: Kind, charge_on: str):
    reply = Desk(charge_on, Away()).tell(kind, bid(), "price=1")
    assert (reply.status, reply.outcome, reply.location) == (503, "ledger_away", "")


def test_a_click_leads_to_the_creatives_page_with_a_token_its_conversion_can_name(desk: Desk):
    assert desk.tell(Kind.BILL, bid(creative=1), "price=1").outcome == "settled"
    reply = desk.tell(Kind.CLICK, bid(creative=1))
    assert (reply.status, reply.outcome) == (302, "counted")
    parts = urlsplit(reply.location)
    query = parse_qs(parts.query)
    [token] = query.pop("rb_click")
    assert (parts.netloc, parts.path, parts.fragment) == ("shop.example", "/sale", "top")
    assert query == {"a": ["1"], "b": ["2"]}
    assert desk.get(f"/notice/conversion/{token}") == Reply(204, "counted")
    assert desk.get(f"/notice/conversion/{token}") == Reply(204, "duplicate")
    assert (desk.balance.clicks, desk.balance.conversions) == (1, 1)


def test_the_token_of_a_conversion_moves_no_money(desk: Desk):
    [token] = parse_qs(urlsplit(desk.tell(Kind.CLICK, bid()).location).query)["rb_click"]
    for kind in (Kind.WIN, Kind.BILL, Kind.LOSS, Kind.CLICK):
        assert desk.get(f"/notice/{kind}/{token}", b"price=1").status == 403


def test_a_second_click_leads_on_but_is_not_counted(desk: Desk):
    first, second = desk.tell(Kind.CLICK, bid()), desk.tell(Kind.CLICK, bid())
    assert second == Reply(302, "duplicate", location=first.location)
    assert (desk.balance.clicks, desk.balance.unpaid) == (0, 1)


def test_a_click_of_a_bid_that_nobody_charged_leads_on_and_is_counted_apart(desk: Desk):
    assert (desk.tell(Kind.WIN, bid()).outcome, desk.tell(Kind.CLICK, bid()).outcome) == ("counted", "unpaid")
    assert (desk.balance.clicks, desk.balance.unpaid) == (0, 1)
    assert desk.tell(Kind.BILL, bid(), "price=1").outcome == "settled"
    assert desk.balance.clicks == 1


@pytest.mark.parametrize("ref", [bid(campaign=2), bid(creative=2)], ids=["campaign", "creative"])
def test_a_click_on_what_is_not_listed_leads_nowhere(desk: Desk, ref: BidRef):
    reply = desk.tell(Kind.CLICK, ref)
    assert (reply.status, reply.outcome, reply.location) == (404, "unknown_campaign", "")


@pytest.mark.parametrize("charge_on", ["bill", "win"])
@pytest.mark.parametrize("hint", ["win", "bill", "loss", ""])
def test_a_query_cannot_say_which_notice_is_the_charge(charge_on: str, hint: str):
    desk = Desk(charge_on)
    other = Kind.WIN if charge_on == "bill" else Kind.BILL
    assert desk.tell(other, bid(), f"price=1.5&on={hint}").outcome == "counted"
    assert desk.balance.spent == 0
    assert desk.tell(Kind(charge_on), bid(), f"price=1.5&on={hint}").outcome == "settled"
    assert (desk.balance.spent, desk.balance.wins, desk.balance.bills) == (1_500, 1, 1)


def test_a_price_in_the_bids_currency_is_charged_in_ours(desk: Desk):
    ref = bid()._replace(rate=0.92)
    assert desk.tell(Kind.BILL, ref, "price=1.0") == Reply(204, "settled")
    assert desk.balance.spent == 1_087  # 1,086.96 of ours: never less than it cost


def test_a_clearing_price_at_the_bid_costs_its_ceiling(desk: Desk):
    ref = bid()._replace(rate=0.92)
    assert desk.tell(Kind.BILL, ref, "price=1.84") == Reply(204, "settled")
    assert desk.balance.spent == 2_000


@pytest.mark.parametrize("kind", [Kind.WIN, Kind.BILL, Kind.LOSS])
@pytest.mark.parametrize("charge_on", ["win", "bill"])
def test_notices_of_a_test_settle_nothing(kind: Kind, charge_on: str):
    desk = Desk(charge_on)
    before = desk.balance
    for _ in range(2):
        assert desk.tell(kind, bid()._replace(lease=TEST_LEASE), "price=1.5&min=1") == Reply(204, "test")
    assert desk.balance == before


def test_a_click_of_a_test_leads_on_and_neither_it_nor_its_conversion_counts(desk: Desk):
    reply = desk.tell(Kind.CLICK, bid()._replace(lease=TEST_LEASE))
    assert (reply.status, reply.outcome) == (302, "test")
    [token] = parse_qs(urlsplit(reply.location).query)["rb_click"]
    assert desk.get(f"/notice/conversion/{token}") == Reply(204, "test")
    assert (desk.balance.clicks, desk.balance.conversions) == (0, 0)


def test_a_price_of_nothing_cannot_cheapen_a_bid(desk: Desk):
    ref = bid()._replace(floor_micros=800)
    assert desk.tell(Kind.BILL, ref, "price=0") == Reply(204, "settled", extra_outcomes=("below_floor",))
    assert desk.tell(Kind.BILL, ref, "price=1.5").outcome == "duplicate"
    assert desk.balance.spent == 800


@pytest.mark.parametrize(
    ("query", "besides"), [("price=0", "below_bid"), ("price=99", "above_bid"), ("price=", "without_price")]
)
def test_a_first_price_bid_costs_what_was_bid_whatever_is_said(desk: Desk, query: str, besides: str):
    ref = bid()._replace(first_price=True)
    assert desk.tell(Kind.BILL, ref, query) == Reply(204, "settled", extra_outcomes=(besides,))
    assert desk.balance.spent == 2_000


@pytest.mark.parametrize("query", ["", "price=${AUCTION_PRICE}", "price=AUDIT", "price=x", "price=-1", "other=1"])
def test_a_first_price_bid_is_not_charged_by_who_fills_in_no_price(desk: Desk, query: str):
    reply = desk.tell(Kind.BILL, bid()._replace(first_price=True), query)
    assert reply.outcome in {"unfilled", "audit", "not_a_price", "negative"}
    assert desk.balance.spent == 0


def test_an_exchange_that_discounts_says_what_is_paid(desk: Desk):
    ref = bid()._replace(first_price=True, floor_micros=500, exchange=number_of("discounting"))
    assert desk.tell(Kind.BILL, ref, "price=1.2") == Reply(204, "settled")
    assert desk.balance.spent == 1_200


@pytest.mark.parametrize("price", ["1.5", "MS41", "YWJjMTIzZGVmNDU2Z2hpN7fhCuPemCce_6msaw", "", "${AUCTION_PRICE}"])
@pytest.mark.parametrize("first_price", [False, True])
def test_an_exchange_that_encrypts_prices_is_believed_no_other(desk: Desk, price: str, first_price: bool):
    ref = bid()._replace(exchange=number_of("encrypting"), first_price=first_price)
    reply = desk.tell(Kind.BILL, ref, f"price={price}")
    assert (reply.status, reply.outcome) == (400, {"": "empty", "$": "unfilled"}.get(price[:1], "not_encrypted"))
    assert desk.balance.spent == 0
    assert desk.tell(Kind.BILL, ref, f"price={encrypted(KEYS, 1_500, time.time())}").outcome == "settled"
    assert desk.balance.spent == (2_000 if first_price else 1_500)


@pytest.mark.parametrize("kind", [Kind.WIN, Kind.BILL, Kind.LOSS])
@pytest.mark.parametrize("address", ["192.0.3.1", "2001:db9::1", "127.0.0.1", ""])
def test_notices_of_money_come_from_the_exchanges_networks_only(desk: Desk, kind: Kind, address: str):
    ref, before = bid()._replace(exchange=number_of("nearby")), desk.balance
    reply = desk.tell(kind, ref, "price=1", address)
    assert (reply.status, reply.outcome) == (403, "foreign_network")
    assert desk.balance == before
    for near in ("192.0.2.7", "2001:db8:1::7"):
        assert desk.tell(kind, ref, "price=1", near).status == 204


def test_clicks_come_from_anywhere(desk: Desk):
    assert desk.tell(Kind.CLICK, bid()._replace(exchange=number_of("nearby")), address="203.0.113.9").status == 302


@pytest.mark.parametrize(
    "rewritten",
    [
        "{url}?price=1.5&cur=USD&min=1.25",
        "{url}?price=1.5&amp;cur=USD&amp;min=1.25",
        "{url}?price=1.5%26cur=USD%26min=1.25",
        "{url}?price%3D1.5%26cur%3DUSD%26min%3D1.25",
        "{url}%3Fprice=1.5&cur=USD&min=1.25",
        "{url}&price=1.5&cur=USD&min=1.25",
        "{url}&amp;price=1.5&amp;min=1.25",
        "{url}?price=1.5?cb=77&min=1.25",
        "{url}?price=1.5",
        "{url}/?price=1.5",
        "{url}?price=+1.5",
        "{url}?price=1.5E+0&",
    ],
)
@pytest.mark.parametrize("charge_on", ["win", "bill"])
def test_no_rewriting_of_the_charged_url_loses_its_charge(charge_on: str, rewritten: str):
    desk = Desk(charge_on)
    ref = bid()._replace(charged_by_win=charge_on == "win", currency="USD")
    for kind in (Kind.WIN, Kind.BILL):
        url = rewritten.format(url=f"/notice/{kind}/{desk.signer.sign(ref, kind)}")
        path, _, query = url.partition("?")
        reply = desk.get(unquote(path), query)
        assert reply == Reply(204, "settled" if kind == charge_on else "counted")
    assert (desk.balance.spent, desk.balance.wins, desk.balance.bills) == (1_500, 1, 1)


@pytest.mark.parametrize("kind", Kind)
def test_who_only_looks_settles_and_counts_nothing(desk: Desk, kind: Kind):
    assert desk.tell(Kind.BILL, bid()._replace(sequence=2), "price=1").outcome == "settled"
    before, path = desk.balance, f"/notice/{kind}/{desk.signer.sign(bid(), kind)}"
    reply = desk.get(path, "price=1.5", is_look=True)
    assert (reply.status, reply.outcome) == (302 if kind is Kind.CLICK else 204, "looked_at")
    assert bool(reply.location) == (kind is Kind.CLICK)
    assert desk.balance == before
    assert desk.get(path[:-1], "price=1.5", is_look=True).outcome == "forged"


BY_ID = {name: creative_number(name) for name in ("first", "second", "gone")}


def test_a_click_leads_to_its_creative_wherever_an_edit_put_it(desk: Desk):
    first, second = (bid(creative=BY_ID[name]) for name in ("first", "second"))
    assert desk.tell(Kind.CLICK, second).location.startswith("https://shop.example/sale?a=1&b=2&rb_click=")
    creatives = (make_creative("second", landing_url="https://new.example/"), make_creative("third"))
    desk.show(make_campaign("spring", creatives=creatives))
    assert desk.tell(Kind.CLICK, second).location.startswith("https://new.example/?rb_click=")
    removed = first._replace(landing="https://old.example/")
    assert desk.tell(Kind.CLICK, removed).location.startswith("https://old.example/?rb_click=")
    assert desk.tell(Kind.CLICK, first) == Reply(404, "unknown_campaign", desk.tell(Kind.CLICK, first).message)


def test_a_click_after_a_pause_leads_to_the_page_and_counts(desk: Desk):
    ref = bid(creative=BY_ID["second"])._replace(landing=LANDING)
    assert desk.tell(Kind.BILL, ref, "price=1").outcome == "settled"
    desk.show()
    reply = desk.tell(Kind.CLICK, ref)
    assert (reply.status, reply.outcome) == (302, "counted")
    [token] = parse_qs(urlsplit(reply.location).query)["rb_click"]
    assert desk.get(f"/notice/conversion/{token}") == Reply(204, "counted")
    assert (desk.balance.clicks, desk.balance.conversions) == (1, 1)


def test_a_click_that_leads_nowhere_is_not_counted(desk: Desk):
    assert desk.tell(Kind.BILL, bid(), "price=1").outcome == "settled"
    desk.show()
    assert desk.tell(Kind.CLICK, bid()).status == 404
    assert (desk.balance.clicks, desk.balance.unpaid) == (0, 0)


def test_a_location_is_ascii(desk: Desk):
    landing = "https://b\u00fccher.example/gr\u00f6\u00dfe 1?q=f\u00fcr"
    location = desk.tell(Kind.CLICK, bid(campaign=2)._replace(landing=landing)).location
    assert location.startswith("https://xn--bcher-kva.example/gr%C3%B6%C3%9Fe%201?q=f%C3%BCr&rb_click=")


@pytest.mark.parametrize("event", ["impression", "error", "start", "firstQuartile", "complete"])
@pytest.mark.parametrize("query", ["event={event}", "event={event}&amp;code=900", "event={event}&price=99&on=bill"])
def test_what_a_player_reports_costs_nothing(desk: Desk, event: str, query: str):
    before = desk.balance
    for _ in range(2):
        assert desk.get(f"/notice/view/{bid().bid_id}", query.format(event=event)) == Reply(204, event)
    assert desk.balance == before


@pytest.mark.parametrize(
    ("bid_id", "query"),
    [
        ("0000000000000007-1", "event=refund"),
        ("0000000000000007-1", ""),
        ("7-1", "event=start"),
        ("", "event=start"),
        ("0000000000000007-1/2", "event=start"),
    ],
)
def test_what_is_no_event_of_a_bid_is_not_found(desk: Desk, bid_id: str, query: str):
    reply = desk.get(f"/notice/view/{bid_id}", query)
    assert (reply.status, reply.outcome) == (404, "unknown_event")


def test_a_price_in_another_currency_is_converted_or_refused(desk: Desk):
    ref = bid()._replace(currency="USD")
    refused = desk.tell(Kind.BILL, ref, "price=1.5&cur=XXX")
    assert (refused.status, refused.outcome, desk.balance.spent) == (400, "no_rate", 0)
    assert desk.tell(Kind.BILL, ref, "price=1.2&cur=EUR") == Reply(204, "settled", extra_outcomes=("other_currency",))
    assert desk.balance.spent == 1_500


def test_a_minimum_to_win_in_another_currency_is_converted():
    ledger, ref = Told(), bid()._replace(currency="USD")
    desk = Desk(ledger=ledger)
    desk.tell(Kind.LOSS, ref, "min=1.2&cur=EUR")
    assert ledger.told == 1_500
    desk.tell(Kind.LOSS, ref, "min=1.2&cur=XXX")
    assert ledger.told is None


def test_a_sale_of_several_impressions_is_charged_for_those_delivered():
    desk = Desk()
    ref = bid(ceiling=4_500)._replace(quantity=3.0, currency="USD")
    reply = desk.tell(Kind.BILL, ref, "price=1.5&cur=USD&qty=2")
    assert reply == Reply(204, "settled", extra_outcomes=("below_quantity",))
    assert desk.balance.spent == 3_000
