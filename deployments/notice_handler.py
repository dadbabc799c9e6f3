"""Settling notices: win, billing, loss, click and conversion, on whichever replica gets them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from deployments.wiring import logger
from rtb.auction.edge import Edge
from rtb.exchanges import Address, Exchanges
from rtb.ledger import DurabilityWatch, Ledger, LedgerError, NoticeOutcome
from rtb.money.accounts import campaign_of
from rtb.openrtb.macros import PriceError
from rtb.settlement.charging import Charging
from rtb.settlement.notice_query import read_query, split_token
from rtb.settlement.notice_tokens import BidRef, Kind, Signer, TokenError, counts_until
from rtb.settlement.view_events import VIEW_PATH, is_view
from rtb.targeting.frequency import FrequencyGate

Query = Mapping[str, str]
_MONEY = (Kind.WIN, Kind.BILL, Kind.LOSS)

_AGAIN = "the ledger is unavailable: send the notice again"


class Reply(NamedTuple):
    """The answer to a notice.

    Attributes:
        status: HTTP status.
        outcome: name of its counter.
        message: what is wrong; empty when nothing is.
        location: where a click leads.
        extra_outcomes: names of further counters.
    """

    status: int
    outcome: str
    message: str = ""
    location: str = ""
    extra_outcomes: tuple[str, ...] = ()


_UNKNOWN_KIND = Reply(404, "unknown_kind", "notices are /notice/{win|bill|loss|click|conversion}/{token}")
_NOWHERE = Reply(404, "unknown_campaign", "the campaign of this click is not active any more")


class NoticeHandler:
    """Settles notices.

    Args:
        frequency: counts impressions of users; `None`: nobody does.
        durability: whether notices may be acknowledged; `None`: they may.
        count: adds 1 to a counter by its name.
    """

    def __init__(
        self,
        signer: Signer,
        ledger: Ledger,
        edge: Edge,
        frequency: FrequencyGate | None = None,
        *,
        charging: Charging,
        exchanges: Exchanges,
        durability: DurabilityWatch | None = None,
        count: Callable[[str], object] = lambda name: None,
    ) -> None:
        self._signer = signer
        self._charging = charging
        self._exchanges = exchanges
        self._ledger = ledger
        self._edge = edge
        self._frequency = frequency
        self._durability = durability
        self._count = count

    async def handle(self, path: str, query: bytes, address: Address | None = None, *, is_look: bool = False) -> Reply:
        """Answer `/notice/<kind>/<token>?<query>`: 2xx or 302 only once it is durable in the ledger.

        Args:
            path: the request's.
            query: the request's.
            address: it came from, `None` where that is not known.
            is_look: whether it asks what would be answered (HEAD): nothing is settled or counted.
        """
        if path.startswith(VIEW_PATH):
            return _view(path.removeprefix(VIEW_PATH), query, is_look=is_look)
        named = _kind_and_rest(path)
        if named is None:
            return _UNKNOWN_KIND
        kind, (token, behind) = named[0], split_token(named[1])
        try:
            ref = self._signer.read(token, kind)
        except TokenError as error:
            return Reply(403, "forged", str(error))
        if is_look:
            return self._looked(kind, ref)
        return self._refusal(kind, ref, address) or await self.settle(kind, ref, read_query(behind, query))

    def _refusal(self, kind: Kind, ref: BidRef, address: Address | None) -> Reply | None:
        """Return why a notice of money is not settled, by its exchange; `None` where it may be."""
        if kind in _MONEY and self._exchanges.is_left_out(ref.exchange):
            return Reply(503, "exchange_left_out", "the profile of this exchange is to be corrected first")
        if kind in _MONEY and not self._exchanges.may_notify(ref.exchange, address):
            return Reply(403, "foreign_network", f"notices of this exchange do not come from {address}")
        return None

    def can_convert(self, ref: BidRef, currency: str) -> bool:
        """Return whether a price in a currency can be charged for a bid; empty: the bid's own."""
        return self._charging.can_convert(ref, currency)

    async def settle(self, kind: Kind, ref: BidRef, query: Query, *, in_clear: bool = False) -> Reply:
        """Settle a notice whose token was verified.

        Args:
            kind: kind of the notice.
            ref: the bid.
            query: parameters of the notice.
            in_clear: whether a plain price is believed of an exchange that encrypts.
        """
        if self._durability is not None and self._durability.refusal:
            return Reply(503, "not_durable", _AGAIN)
        try:
            reply = await self._dispatch(kind, ref, query, in_clear)
        except LedgerError as error:  # what it says names hosts
            logger.warning(f"notice {kind}: {error}")
            return Reply(503, "ledger_away", _AGAIN)
        if not ref.is_test and (told := _told_of_bid(kind, reply)):
            self._count(f"exchange_notice.{self._exchanges.numbered(ref.exchange).name}.{told}")
        return reply

    def _looked(self, kind: Kind, ref: BidRef) -> Reply:
        """Return what a notice would be answered, without its effects."""
        if kind is not Kind.CLICK:
            return Reply(204, "looked_at")
        landing = self._edge.landing(ref)
        return _NOWHERE if landing is None else Reply(302, "looked_at", location=landing)

    async def _dispatch(self, kind: Kind, ref: BidRef, query: Query, in_clear: bool) -> Reply:
        now = time.time()
        if kind is Kind.CLICK:
            return await self._redirect(ref, now)
        if ref.is_test:
            return Reply(204, "test")
        if now > counts_until(ref, kind):
            return Reply(410, "expired", "notices of this bid were honoured until its expiry, which is past")
        if kind is ref.charged_by:
            return await self._charge(kind, ref, query, in_clear)
        least = self._charging.min_to_win(ref, query)
        if kind is Kind.LOSS:
            return _reply(await self._ledger.release(ref, now, min_to_win_micros=least))
        return _reply(await self._ledger.count(ref, kind, now, min_to_win_micros=least))

    async def _charge(self, kind: Kind, ref: BidRef, query: Query, in_clear: bool) -> Reply:
        """Charge a bid; where its cost is unknown settle nothing, so that the notice can be sent again."""
        try:
            charge = self._charging.charge(ref, query, in_clear=in_clear)
        except PriceError as error:
            return Reply(204 if error.reason == "audit" else 400, error.reason, str(error))
        least = self._charging.min_to_win(ref, query)
        outcome = await self._ledger.settle(ref, kind, charge.micros, time.time(), min_to_win_micros=least)
        if outcome is not NoticeOutcome.SETTLED:
            return _reply(outcome)
        is_counted = self._frequency is None or await self._frequency.count(campaign_of(ref.campaign), ref.user)
        return _reply(outcome)._replace(extra_outcomes=charge.remarks + (() if is_counted else ("frequency_lost",)))

    async def _redirect(self, ref: BidRef, now: float) -> Reply:
        """Redirect a user to the landing page, also when the click is too late to count."""
        landing = self._edge.landing(ref)
        if landing is None:
            return _NOWHERE
        is_late = now > counts_until(ref, Kind.CLICK)
        outcome = "expired" if is_late else await self._count_click(ref, now)
        return Reply(302, outcome, location=landing)

    async def _count_click(self, ref: BidRef, now: float) -> str:
        return "test" if ref.is_test else (await self._ledger.count(ref, Kind.CLICK, now)).value


_ONCE = {"settled": "charged", "counted": "", "freed": "", "unpaid": "", "unfunded": ""}
"""Outcomes of the first notice of its kind, and how they are told where not by that kind."""


def _told_of_bid(kind: Kind, reply: Reply) -> str:
    """Return what a notice says of the bids of its exchange as a whole: nothing where it is repeated, or too early."""
    if reply.outcome in _ONCE:
        return _ONCE[reply.outcome] or kind.value
    return "refused" if 400 <= reply.status < 500 else ""


def _kind_and_rest(path: str) -> tuple[Kind, str] | None:
    """Return the kind of a notice and what follows it in the path; `None` where the path is no notice's.

    Some callers put a slash before the query.
    """
    try:
        name, rest, *more = path.removeprefix("/notice/").split("/")
        return None if any(more) or (more and not rest) else (Kind(name), rest)
    except ValueError:
        return None


def _view(rest: str, query: bytes, *, is_look: bool) -> Reply:
    """Answer what a player reports of an ad: it is counted as an outcome, and that is all."""
    bid_id, behind = split_token(rest)
    event = read_query(behind, query).get("event")
    if event is None or not is_view(bid_id, event):
        return Reply(404, "unknown_event", "events are /notice/view/{bid id}?event={name}")
    return Reply(204, "looked_at" if is_look else event)


def _reply(outcome: NoticeOutcome) -> Reply:
    if outcome in (
        NoticeOutcome.UNKNOWN,
        NoticeOutcome.BEHIND,
    ):  # its token is good, so the ledger had it: the notice is to come again
        return Reply(503, outcome.value, "the ledger lost figures of this campaign, which are to be restored first")
    return Reply(204, outcome.value)
