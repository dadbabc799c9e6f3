"""What happens to a notice: win, billing, loss, click and conversion, whichever replica gets it."""

from __future__ import annotations

import time
from typing import NamedTuple
from urllib.parse import parse_qs

from rtb.edge import Edge
from rtb.ledger import Ledger, LedgerError, Outcome
from rtb.notices import BidRef, Kind, Signer, TokenError, counts_until
from rtb.openrtb.macros import PriceError, parse_price
from rtb.settings import Settings


class Reply(NamedTuple):
    """An HTTP answer without a body of note.

    Attributes:
        status: HTTP status.
        outcome: short counter name.
        message: what is wrong, empty when nothing is.
        location: where a click leads.
    """

    status: int
    outcome: str
    message: str = ""
    location: str = ""


class NoticeDesk:
    """Settles notices.

    Args:
        settings: says which notice is charged.
        signer: reads tokens.
        ledger: where the money is.
        edge: knows where clicks lead.
    """

    def __init__(self, settings: Settings, signer: Signer, ledger: Ledger, edge: Edge) -> None:
        self._charged = Kind(settings.charge_on)
        self._signer = signer
        self._ledger = ledger
        self._edge = edge

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
        try:
            return await self._dispatch(kind, ref, parse_qs(query.decode("latin-1")))
        except LedgerError as error:
            return Reply(503, "ledger_away", str(error))

    async def _dispatch(self, kind: Kind, ref: BidRef, query: dict[str, list[str]]) -> Reply:
        now = time.time()
        if kind is Kind.CLICK:
            return await self._redirect(ref, now)
        if now > counts_until(ref, kind):
            return Reply(410, "expired", "notices of this bid were honoured until its expiry, which is past")
        if kind is self._charged:
            return await self._charge(kind, ref, query, now)
        if kind is Kind.LOSS:
            return _reply(await self._ledger.release(ref, now, _min_to_win(query)))
        return _reply(await self._ledger.count(ref, kind, now))

    async def _charge(self, kind: Kind, ref: BidRef, query: dict[str, list[str]], now: float) -> Reply:
        """Spend the clearing price; without a usable one nothing is settled, so the notice can be sent again."""
        try:
            price = parse_price(query.get("price", [""])[0])
        except PriceError as error:
            return Reply(204 if error.reason == "audit" else 400, error.reason, str(error))
        return _reply(await self._ledger.settle(ref, kind, price, now))

    async def _redirect(self, ref: BidRef, now: float) -> Reply:
        """Send a user on; a click that comes too late to count still leads somewhere."""
        is_late = now > counts_until(ref, Kind.CLICK)
        outcome = "expired" if is_late else (await self._ledger.count(ref, Kind.CLICK, now)).value
        landing = self._edge.landing(ref)
        if landing is None:
            return Reply(404, "unknown_campaign", "the campaign of this click is not active any more")
        return Reply(302, outcome, location=landing)


def _min_to_win(query: dict[str, list[str]]) -> int | None:
    """The least bid that would have won, in micros; few exchanges say it, and a loss counts without."""
    try:
        return parse_price(query.get("min", [""])[0])
    except PriceError:
        return None


def _reply(outcome: Outcome) -> Reply:
    if outcome is Outcome.UNKNOWN:
        return Reply(404, outcome.value, "the ledger knows no campaign of this number")
    return Reply(204, outcome.value)
