"""The Controller's side of portfolios: decide what is due, and move the money."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from deployments.wiring import logger
from portfolio import live
from portfolio.definition import Portfolio, decode_portfolio
from portfolio.live import MemberAccount, PortfolioState
from rtb.catalog import Catalog, CatalogEntry, PortfolioRecord
from rtb.ledger import Balance, Ledger
from rtb.runtime.quarantine import RECORD_ERRORS, Fault


class Portfolios:
    """Runs portfolios.

    What a strategy carries is kept in the catalog after each decision, so that another Controller goes on with it. A
    Controller that dies between a move and that has moved the money all the same: the next one only takes the time
    since its last decision for one longer period.
    """

    def __init__(self, catalog: Catalog, ledger: Ledger) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._told: dict[str, str] = {}
        self._faults: dict[str, Fault] = {}

    @property
    def faults(self) -> list[Fault]:
        """Portfolios that cannot be used: they move nothing, and hold up no other."""
        return [*self._faults.values()]

    async def keep(self, entries: Sequence[CatalogEntry], balances: Sequence[Balance], now: float) -> dict[int, float]:
        """Decide what is due; return the factors of campaigns' worth that are not 1, by number.

        Args:
            entries: the campaigns.
            balances: of both accounts of each, just now.
            now: Unix time.

        Raises:
            LedgerError, CatalogError: one is unavailable; the next call goes on.
        """
        records = await asyncio.to_thread(self._catalog.portfolios.all)
        self._faults = {name: fault for name, fault in self._faults.items() if any(one.id == name for one in records)}
        if not records:
            return {}
        campaigns = live.named([*map(MemberAccount, entries, balances)])
        factors: dict[int, float] = {}
        for record in records:
            try:
                state = await self._kept(record, campaigns, now)
            except RECORD_ERRORS as error:
                self._faults[record.id] = Fault.of("portfolio", record.id, error)
                continue
            self._faults.pop(record.id, None)
            steering = state.steering
            factors |= {campaigns[name].entry.number: steering[name] for name in steering if name in campaigns}
        return factors

    async def _kept(
        self, record: PortfolioRecord, campaigns: Mapping[str, MemberAccount], now: float
    ) -> PortfolioState:
        """Decide for one portfolio where that is due; return its state."""
        state = live.decode_state(record.state)
        portfolio = decode_portfolio(record.body)
        if portfolio.status != "active" or not state.is_due(portfolio, now):
            return state if portfolio.status == "active" else PortfolioState()
        has_period = state.has_period(portfolio, now)
        state = live.observed(portfolio, state, campaigns, now)
        if has_period:
            state = await self._decided(portfolio, state, campaigns, now)
        await asyncio.to_thread(self._catalog.portfolios.carry, record.id, live.encode_state(state))
        return state

    async def _decided(
        self, portfolio: Portfolio, state: PortfolioState, campaigns: Mapping[str, MemberAccount], now: float
    ) -> PortfolioState:
        try:
            decision = live.decide(portfolio, state, campaigns, now)
        except ValueError as error:  # floors that cannot be kept, figures that contradict each other
            self._tell(portfolio.id, f"moves nothing: {error}")
            return state
        self._told.pop(portfolio.id, None)
        moved = await self._ledger.move(decision.transfers, now)
        if sum(moved):
            logger.info(
                f"portfolio {portfolio.id!r}: {sum(moved)} micros in {len(moved)} moves, by {portfolio.strategy}"
            )
        changes = live.changes_of(decision.transfers, moved)
        return live.planned(portfolio, decision.state, campaigns, changes, now)

    def _tell(self, name: str, what: str) -> None:
        """Log something about a portfolio, once."""
        if self._told.get(name) != what:
            logger.error(f"portfolio {name!r} {what}")
        self._told[name] = what
