"""Notices that exchange and browser send after an auction: win, billing, loss, click, conversion."""

from __future__ import annotations

import asyncio
import html
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from rtb.money.micros import cpm_to_micros, micros_of
from simulation.exchange.auction import ClearedBid
from simulation.exchange.client import HttpClient, Response, TransportError
from simulation.exchange.macros import fill_markup, fill_url, price_text
from simulation.exchange.report import ReplayFigures
from simulation.exchange.sources import UserBehaviour

CONVERSION_PARAMETER = "rb_click"
"""Query parameter of a landing URL that carries the conversion token."""

_CLICK_LINK = re.compile(r"""href\s*=\s*["']([^"']*/notice/click/[^"']*)["']""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Settlement:
    """A bid whose auction is over.

    Attributes:
        outcome: outcome of the bid.
        request_id: id of the bid request.
        audience: person who sees the ad if it won.
        click_draw: uniform in [0, 1): a click if below the click probability.
        conversion_draw: uniform in [0, 1), likewise.
    """

    outcome: ClearedBid
    request_id: str
    audience: UserBehaviour
    click_draw: float
    conversion_draw: float


class Settler:
    """A sender of notices, one after the other for each bid, which counts acknowledgements.

    Args:
        client: HTTP client.
        figures: counters to update.
        retries: how often to resend a notice that fails or is answered with 5xx.
        retry_seconds: wait before the first retry; it doubles with each.
    """

    def __init__(self, client: HttpClient, figures: ReplayFigures, retries: int, retry_seconds: float) -> None:
        self._client = client
        self._figures = figures
        self._retries = retries
        self._retry_seconds = retry_seconds

    async def settle(self, settlement: Settlement) -> None:
        """Send all notices that follow from one bid's outcome."""
        bid = settlement.outcome.bid.bid
        values = macro_values(settlement)
        if not settlement.outcome.won:
            if bid.lurl:
                await self.deliver("loss", fill_url(bid.lurl, values), _is_acknowledged)
            return
        won = bool(bid.nurl) and await self.deliver("win", fill_url(bid.nurl, values), _is_acknowledged) is not None
        billed = bool(bid.burl) and await self.deliver("bill", fill_url(bid.burl, values), _is_acknowledged) is not None
        if billed or (won and not bid.burl):  # a bid without a billing URL is billed by its win notice
            price = cpm_to_micros(float(values["AUCTION_PRICE"]))
            self.owed(settlement, micros_of(price, settlement.outcome.bid.quantity) if price else 0)
        await self._browse(settlement, fill_markup(bid.adm, values))

    def owed(self, settlement: Settlement, micros: int) -> None:
        """Record a charge that the bidder acknowledged."""
        self._figures.spend_micros += micros

    async def finish(self) -> None:
        """Wait for notices that are still to be sent; called when nothing more will be settled."""

    async def _browse(self, settlement: Settlement, markup: str) -> None:
        """Act as the person who sees the ad: click and convert."""
        bid = settlement.outcome.bid
        if settlement.click_draw >= settlement.audience.click_probability(bid):
            return
        link = _CLICK_LINK.search(markup)
        if link is None:
            return
        click_url = html.unescape(link[1])
        redirect = await self.deliver("click", click_url, _is_redirect)
        if redirect is None:
            return
        self._figures.clicks += 1
        token = conversion_token(redirect.location)
        if token and settlement.conversion_draw < settlement.audience.conversion_probability(bid):
            await self._convert(click_url, token)

    async def _convert(self, click_url: str, token: str) -> None:
        parts = urlsplit(click_url)
        url = f"{parts.scheme}://{parts.netloc}/notice/conversion/{token}"
        if await self.deliver("conversion", url, _is_acknowledged) is not None:
            self._figures.conversions += 1

    async def deliver(self, kind: str, url: str, is_accepted: Callable[[Response], bool]) -> Response | None:
        """GET a notice, retried on failure or 5xx; return None when refused or given up."""
        for attempt in range(1 + self._retries):
            if attempt:
                self._figures.notice_retries += 1
                await asyncio.sleep(self._retry_seconds * 2 ** (attempt - 1))
            try:
                response = await self._client.get(url)
            except TransportError:
                continue
            if is_accepted(response):
                self._figures.notices[kind] += 1
                return response
            if response.status < 500:
                break  # refused: the same notice would be refused again
        self._figures.errors[f"notice_{kind}"] += 1
        return None


def macro_values(settlement: Settlement) -> dict[str, str]:
    """Return the values of the substitution macros for one bid, by name."""
    outcome, checked = settlement.outcome, settlement.outcome.bid
    price = outcome.bid.bid.price
    return {
        "AUCTION_ID": settlement.request_id,
        "AUCTION_BID_ID": checked.response_id,
        "AUCTION_IMP_ID": checked.bid.impid,
        "AUCTION_SEAT_ID": checked.seat,
        "AUCTION_AD_ID": checked.bid.adid,
        "AUCTION_PRICE": price_text(outcome.price_cpm),
        "AUCTION_CURRENCY": checked.currency,
        "AUCTION_MBR": price_text(round(outcome.price_cpm / price, 6)) if outcome.won else "",
        "AUCTION_LOSS": str(int(outcome.loss)),
        "AUCTION_MIN_TO_WIN": price_text(outcome.min_to_win_cpm),
        "AUCTION_MULTIPLIER": f"{checked.quantity:.12g}",
        "AUCTION_IMP_TS": str(time.time_ns() // 1_000_000) if outcome.won else "",
    }


def conversion_token(location: str) -> str:
    """Return the conversion token in the URL that a click led to, empty if there is none."""
    try:
        return parse_qs(urlsplit(location).query).get(CONVERSION_PARAMETER, [""])[0]
    except ValueError:
        return ""


def _is_acknowledged(response: Response) -> bool:
    return 200 <= response.status < 300


def _is_redirect(response: Response) -> bool:
    return response.status in (301, 302, 303, 307, 308) and bool(response.location)
