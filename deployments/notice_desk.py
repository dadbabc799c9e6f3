"""What happens to a notice: win, billing, loss, click and conversion, whichever replica gets it."""

from __future__ import annotations

import time
from typing import NamedTuple
from urllib.parse import parse_qs

from rtb.edge import Edge
from rtb.ledger import Ledger, LedgerError, Outcome
from rtb.notices import BidRef, Kind, Signer, TokenError
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
        if kind in (Kind.CLICK, Kind.CONVERSION):
            return await self._count_user(kind, ref, now)
        if now > ref.expires:
            return Reply(410, "expired", "the bid's notices were honoured until its expiry, which is past")
        if kind is Kind.LOSS:
            return _reply(await self._ledger.release(ref, now))
        if kind is not self._charged:
            return _reply(await self._ledger.count(ref, kind, now))
        try:
            price = parse_price(query.get("price", [""])[0])
        except PriceError as error:
            return Reply(204 if error.reason == "audit" else 400, error.reason, str(error))
        return _reply(await self._ledger.settle(ref, kind, price, now))

    async def _count_user(self, kind: Kind, ref: BidRef, now: float) -> Reply:
        outcome = await self._ledger.count(ref, kind, now)
        if kind is Kind.CONVERSION:
            return _reply(outcome)
        landing = self._edge.landing(ref)
        if landing is None:
            return Reply(404, "unknown_campaign", "the campaign of this click is not active any more")
        return Reply(302, outcome.value, location=landing)


def _reply(outcome: Outcome) -> Reply:
    if outcome is Outcome.UNKNOWN:
        return Reply(404, outcome.value, "the ledger knows no campaign of this number")
    return Reply(204, outcome.value)
