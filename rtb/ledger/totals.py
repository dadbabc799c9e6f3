"""Balances of campaigns including their arms."""

from __future__ import annotations

from collections.abc import Sequence

from rtb.ledger.protocol import Balance, Ledger


async def total_balances(ledger: Ledger, campaigns: Sequence[int]) -> list[Balance]:
    """Return the balances of campaigns plus their arms'; one more round trip where any has one.

    Raises:
        LedgerError: the ledger does not answer.
    """
    own = await ledger.balances(campaigns)
    arms = [balance.arm for balance in own if balance.arm]
    if not arms:
        return own
    of_arm = dict(zip(arms, await ledger.balances(arms), strict=True))
    return [balance.plus(of_arm[balance.arm]) if balance.arm else balance for balance in own]
