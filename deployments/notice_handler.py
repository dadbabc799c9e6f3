"""Settling notices: win, billing, loss, click and conversion, on whichever replica gets them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qs

from deployments.wiring import logger
from rtb.auction.edge import Edge
from rtb.exchanges import Address, Exchanges
from rtb.ledger import DurabilityWatch, Ledger, LedgerError, NoticeOutcome
from rtb.money.accounts import campaign_of
from rtb.openrtb.macros import PriceError, read_price
from rtb.settlement.charging import Charging
from rtb.settlement.notice_tokens import BidRef, Kind, Signer, TokenError, counts_until
from rtb.targeting.frequency import FrequencyGate

Query = Mapping[str, Sequence[str]]
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


class NoticeHandler:
    """Settles notices.

    Args:
        frequency: counts impressions of users; `None`: nobody does.
        durability: whether notices may be acknowledged; `None`: they may.
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
    ) -> None:
        self._signer = signer
        self._charging = charging
        self._exchanges = exchanges
        self._ledger = ledger
        self._edge = edge
        self._frequency = frequency
        self._durability = durability

    async def handle(self, path: str, query: bytes, address: Address | None = None) -> Reply:
        """Answer `/notice/<kind>/<token>?<query>`: 2xx or 302 only once it is durable in the ledger.

        Args:
            path: the request's.
            query: the request's.
            address: it came from, `None` where that is not known.
        """
        try:
            name, token = path.removeprefix("/notice/").split("/")
            kind = Kind(name)
        except ValueError:
            return Reply(404, "unknown_kind", "notices are /notice/{win|bill|loss|click|conversion}/{token}")
        try:
            ref = self._signer.read(token, kind)
        except TokenError as error:
            return Reply(403, "forged", str(error))
        if kind in _MONEY and self._exchanges.is_left_out(ref.exchange):
            return Reply(503, "exchange_left_out", "the profile of this exchange is to be corrected first")
        if kind in _MONEY and not self._exchanges.may_notify(ref.exchange, address):
            return Reply(403, "foreign_network", f"notices of this exchange do not come from {address}")
        return await self.settle(kind, ref, parse_qs(query.decode("latin-1"), keep_blank_values=True))

    async def settle(self, kind: Kind, ref: BidRef, query: Query, *, in_clear: bool = False) -> Reply:
        """Settle a notice whose token was verified.

        Args:
            kind: of notice.
            ref: the bid.
            query: what it says.
            in_clear: whether a plain price is believed of an exchange that encrypts.
        """
        if self._durability is not None and self._durability.refusal:
            return Reply(503, "not_durable", _AGAIN)
        try:
            return await self._dispatch(kind, ref, query, in_clear)
        except LedgerError as error:  # what it says names hosts
            logger.warning(f"notice {kind}: {error}")
            return Reply(503, "ledger_away", _AGAIN)

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
        if kind is Kind.LOSS:
            return _reply(await self._ledger.release(ref, now, min_to_win_micros=_min_to_win(query, ref.rate)))
        return _reply(await self._ledger.count(ref, kind, now, min_to_win_micros=_min_to_win(query, ref.rate)))

    async def _charge(self, kind: Kind, ref: BidRef, query: Query, in_clear: bool) -> Reply:
        """Charge a bid; where its cost is unknown settle nothing, so that the notice can be sent again."""
        try:
            charge = self._charging.charge(ref, _said(query, "price"), in_clear=in_clear)
        except PriceError as error:
            return Reply(204 if error.reason == "audit" else 400, error.reason, str(error))
        outcome = await self._ledger.settle(
            ref, kind, charge.micros, time.time(), min_to_win_micros=_min_to_win(query, ref.rate)
        )
        if outcome is not NoticeOutcome.SETTLED:
            return _reply(outcome)
        is_counted = self._frequency is None or await self._frequency.count(campaign_of(ref.campaign), ref.user)
        return _reply(outcome)._replace(extra_outcomes=charge.remarks + (() if is_counted else ("frequency_lost",)))

    async def _redirect(self, ref: BidRef, now: float) -> Reply:
        """Redirect a user to the landing page, also when the click is too late to count."""
        is_late = now > counts_until(ref, Kind.CLICK)
        outcome = "expired" if is_late else await self._count_click(ref, now)
        landing = self._edge.landing(ref)
        if landing is None:
            return Reply(404, "unknown_campaign", "the campaign of this click is not active any more")
        return Reply(302, outcome, location=landing)

    async def _count_click(self, ref: BidRef, now: float) -> str:
        return "test" if ref.is_test else (await self._ledger.count(ref, Kind.CLICK, now)).value


def _said(query: Query, name: str) -> str | None:
    return query[name][0] if name in query else None


def _min_to_win(query: Query, rate: float) -> int | None:
    """Return the micros that would have won; `None` without, as of most exchanges."""
    try:
        return read_price(_said(query, "min"), rate).micros
    except PriceError:
        return None


def _reply(outcome: NoticeOutcome) -> Reply:
    if outcome in (
        NoticeOutcome.UNKNOWN,
        NoticeOutcome.BEHIND,
    ):  # its token is good, so the ledger had it: the notice is to come again
        return Reply(503, outcome.value, "the ledger lost figures of this campaign, which are to be restored first")
    return Reply(204, outcome.value)
