"""What happens to a notice: win, billing, loss, click and conversion, whichever replica gets it."""

from __future__ import annotations

import time
from typing import NamedTuple
from urllib.parse import parse_qs

from rtb.accounts import campaign_of
from rtb.edge import Edge
from rtb.frequency import FrequencyGate
from rtb.ledger import DurabilityWatch, Ledger, LedgerError, Outcome
from rtb.notices import BidRef, Kind, Signer, TokenError, counts_until
from rtb.openrtb.macros import PriceError, read_price


class Reply(NamedTuple):
    """An HTTP answer without a body of note.

    Attributes:
        status: HTTP status.
        outcome: short counter name.
        message: what is wrong, empty when nothing is.
        location: where a click leads.
        besides: counter names of what else was noticed.
    """

    status: int
    outcome: str
    message: str = ""
    location: str = ""
    besides: tuple[str, ...] = ()


class NoticeDesk:
    """Settles notices.

    Args:
        signer: reads tokens.
        ledger: where the money is.
        edge: knows where clicks lead.
        frequency: counts what users were shown; none counts nothing.
        durability: whether notices may be acknowledged; without, they may.
    """

    def __init__(
        self,
        signer: Signer,
        ledger: Ledger,
        edge: Edge,
        frequency: FrequencyGate | None = None,
        *,
        durability: DurabilityWatch | None = None,
    ) -> None:
        self._signer = signer
        self._ledger = ledger
        self._edge = edge
        self._frequency = frequency
        self._durability = durability

    async def handle(self, path: str, query: bytes) -> Reply:
        """Answer `/notice/<kind>/<token>?<query>`: 2xx or 302 only once it is durable in the ledger."""
        try:
            name, token = path.removeprefix("/notice/").split("/")
            kind = Kind(name)
        except ValueError:
            return Reply(404, "unknown_kind", "notices are /notice/{win|bill|loss|click|conversion}/{token}")
        try:
            ref = self._signer.read(token, kind)
        except TokenError as error:
            return Reply(403, "forged", str(error))
        return await self.settle(kind, ref, parse_qs(query.decode("latin-1")))

    async def settle(self, kind: Kind, ref: BidRef, query: dict[str, list[str]]) -> Reply:
        """Answer a notice whose token was read, by what its query says."""
        if self._durability is not None and self._durability.refusal:
            return Reply(503, "not_durable", self._durability.refusal)
        try:
            return await self._dispatch(kind, ref, query)
        except LedgerError as error:
            return Reply(503, "ledger_away", str(error))

    async def _dispatch(self, kind: Kind, ref: BidRef, query: dict[str, list[str]]) -> Reply:
        now = time.time()
        if kind is Kind.CLICK:
            return await self._redirect(ref, now)
        if ref.is_test:
            return Reply(204, "test")
        if now > counts_until(ref, kind):
            return Reply(410, "expired", "notices of this bid were honoured until its expiry, which is past")
        if kind is ref.charged_by:
            return await self._charge(kind, ref, query, now)
        if kind is Kind.LOSS:
            return _reply(await self._ledger.release(ref, now, min_to_win_micros=_min_to_win(query, ref.rate)))
        return _reply(await self._ledger.count(ref, kind, now, min_to_win_micros=_min_to_win(query, ref.rate)))

    async def _charge(self, kind: Kind, ref: BidRef, query: dict[str, list[str]], now: float) -> Reply:
        """Spend the clearing price; without a usable one nothing is settled, so the notice can be sent again."""
        try:
            price = read_price(query.get("price", [""])[0], ref.rate)
        except PriceError as error:
            return Reply(204 if error.reason == "audit" else 400, error.reason, str(error))
        outcome = await self._ledger.settle(
            ref, kind, price.micros, now, min_to_win_micros=_min_to_win(query, ref.rate)
        )
        if outcome is not Outcome.SETTLED:
            return _reply(outcome)
        is_counted = self._frequency is None or await self._frequency.count(campaign_of(ref.campaign), ref.user)
        noticed = {
            "above_bid": price.micros > ref.ceiling_micros,
            "base64": price.is_encoded,
            "frequency_lost": not is_counted,
        }
        return _reply(outcome)._replace(besides=tuple(name for name, is_so in noticed.items() if is_so))

    async def _redirect(self, ref: BidRef, now: float) -> Reply:
        """Send a user on; a click that comes too late to count still leads somewhere."""
        is_late = now > counts_until(ref, Kind.CLICK)
        outcome = "expired" if is_late else await self._count_click(ref, now)
        landing = self._edge.landing(ref)
        if landing is None:
            return Reply(404, "unknown_campaign", "the campaign of this click is not active any more")
        return Reply(302, outcome, location=landing)

    async def _count_click(self, ref: BidRef, now: float) -> str:
        return "test" if ref.is_test else (await self._ledger.count(ref, Kind.CLICK, now)).value


def _min_to_win(query: dict[str, list[str]], rate: float) -> int | None:
    """Micros that would have won; few exchanges say it, and a notice counts without."""
    try:
        return read_price(query.get("min", [""])[0], rate).micros
    except PriceError:
        return None


def _reply(outcome: Outcome) -> Reply:
    if outcome is Outcome.UNKNOWN:
        return Reply(404, outcome.value, "the ledger knows no campaign of this number")
    return Reply(204, outcome.value)
