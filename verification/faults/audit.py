"""Comparison of the books: the exchange's, the ledger's, the events', the catalog's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from rtb.ledger import Balance, NoticeOutcome


@dataclass(frozen=True, slots=True)
class Charges:
    """The charges in the events.

    Attributes:
        by_bid: prices charged for each bid, micros; one each if all is well.
        by_campaign: sums, micros.
        unfunded: bids for which the ledger had no money left.
    """

    by_bid: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    by_campaign: Counter[int] = field(default_factory=Counter)
    unfunded: set[str] = field(default_factory=set)


def read_charges(tables: Iterable[pa.Table]) -> Charges:
    """Read the charges from tables of `rtb.events.schema.SCHEMA`."""
    charges = Charges()
    for table in tables:
        outcomes = pa.array([NoticeOutcome.SETTLED.value, NoticeOutcome.UNFUNDED.value])
        rows = table.filter(pc.is_in(table.column("outcome"), outcomes)).select(
            ["bid", "campaign", "price_micros", "outcome"]
        )
        for row in rows.to_pylist():
            if row["outcome"] == NoticeOutcome.UNFUNDED:
                charges.unfunded.add(row["bid"])
                continue
            charges.by_bid[row["bid"]].append(row["price_micros"])
            charges.by_campaign[row["campaign"]] += row["price_micros"]
    return charges


def audit(
    owed: Mapping[str, int],
    budgets: Mapping[int, int],
    balances: Mapping[int, Balance],
    charges: Charges,
    recorded: Mapping[int, int],
) -> dict[str, int | float]:
    """Compare four books of the same money.

    Args:
        owed: charges acknowledged to the exchange, micros by bid.
        budgets: budgets in the catalog, micros by campaign number.
        balances: balances in the ledger, by campaign number, after every notice and lease has expired.
        charges: charges in the events.
        recorded: spend in the catalog, micros by campaign number.

    Returns:
        `overspend_micros`: spend above any budget, by the ledger or the events, whichever is more.
        `double_settled`: bids charged more than once.
        `lost_settlements`: charges acknowledged to the exchange that the events lack at that price.
        `unfunded`: charges that came when their money was gone; acknowledged, so that nobody repeats them.
        `stuck_micros_after_ttl`: money still leased or reserved.
        `ledger_differs_micros`, `catalog_differs_micros`: sums of differences from the events, by campaign.
        `unbalanced_micros`: difference between budgets and the sums of their pots.
        `unacknowledged_settlements`: charges whose acknowledgement did not reach the exchange.
        `least_spent_share`, `spent_share`: share of the budget spent, by the least spent campaign and by all.
    """
    spent = {number: max(balance.spent, charges.by_campaign[number]) for number, balance in balances.items()}
    shares = [spent[number] / budget for number, budget in budgets.items()]
    lost = [
        bid for bid, micros in owed.items() if bid not in charges.unfunded and micros not in charges.by_bid.get(bid, [])
    ]
    return {
        "overspend_micros": sum(max(0, spent[number] - budget) for number, budget in budgets.items()),
        "double_settled": sum(len(prices) > 1 for prices in charges.by_bid.values()),
        "lost_settlements": len(lost),
        "unfunded": len(charges.unfunded),
        "stuck_micros_after_ttl": sum(balance.leased + balance.reserved for balance in balances.values()),
        "ledger_differs_micros": sum(abs(b.spent - charges.by_campaign[n]) for n, b in balances.items()),
        "catalog_differs_micros": sum(abs(recorded.get(n, 0) - charges.by_campaign[n]) for n in balances),
        "unbalanced_micros": sum(
            abs(b.budget - b.available - b.leased - b.reserved - b.spent) for b in balances.values()
        ),
        "settled": len(charges.by_bid),
        "unacknowledged_settlements": len(charges.by_bid.keys() - owed.keys()),
        "spent_micros": sum(charges.by_campaign.values()),
        "least_spent_share": round(min(shares, default=0.0), 4),
        "spent_share": round(sum(spent.values()) / max(1, sum(budgets.values())), 4),
    }
