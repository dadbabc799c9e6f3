"""Metrics of campaigns and portfolios. Labels are bounded: those that spent most have series, the rest share one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from portfolio.definition import PortfolioError, decode_portfolio
from rtb.catalog import CatalogEntry, PortfolioRecord
from rtb.ledger import Balance
from rtb.pacing.snapshot import PacingTable

MOST_CAMPAIGNS = 50
"""Campaigns with series of their own: those not archived that spent most. A dashboard shows no more."""

MOST_PORTFOLIOS = 20

OTHERS = "(others)"
"""What the rest is called; no campaign can be, since ids have no parentheses."""

_GAUGES = {
    "budget_micros": "Budget, moves included.",
    "available_micros": "What may still be leased.",
    "value_micros": "What its clicks or conversions are worth by its goal of today: revenue of the advertiser.",
    "moved_micros": "What portfolios moved to it from others, below 0 where more went away.",
}
_COUNTERS = {
    "spent_micros": "Money charged.",
    "bids": "Bids made.",
    "wins": "Win notices.",
    "impressions": "Charged notices.",
    "clicks": "Clicks.",
    "conversions": "Conversions.",
}


class CampaignSums(NamedTuple):
    """Sums over campaigns."""

    budget_micros: int = 0
    available_micros: int = 0
    value_micros: int = 0
    moved_micros: int = 0
    spent_micros: int = 0
    bids: int = 0
    wins: int = 0
    impressions: int = 0
    clicks: int = 0
    conversions: int = 0

    def plus(self, other: CampaignSums) -> CampaignSums:
        """Add another."""
        return CampaignSums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def figures_of(entry: CatalogEntry, balance: Balance) -> CampaignSums:
    """Return the figures of one campaign."""
    goal = entry.campaign.goal
    events = balance.clicks if goal.kind == "click" else balance.conversions
    return CampaignSums(
        budget_micros=balance.budget,
        available_micros=balance.available,
        value_micros=events * goal.value_micros,
        moved_micros=balance.moved,
        spent_micros=balance.spent,
        bids=balance.bids,
        wins=balance.wins,
        impressions=balance.bills,
        clicks=balance.clicks,
        conversions=balance.conversions,
    )


def campaigns(entries: Sequence[CatalogEntry], balances: Sequence[Balance], pacing: PacingTable) -> Iterator[Metric]:
    """Yield metrics of campaigns."""
    pairs = sorted(zip(entries, balances, strict=True), key=_rank)
    shown = {entry.campaign.id: figures_of(entry, balance) for entry, balance in pairs[:MOST_CAMPAIGNS]}
    rest = pairs[MOST_CAMPAIGNS:]
    if rest:
        others = CampaignSums()
        for entry, balance in rest:
            others = others.plus(figures_of(entry, balance))
        shown[OTHERS] = others
    yield from _families("campaign", shown)
    errors = pacing_errors(pacing)
    family = GaugeMetricFamily(
        "raybid_campaign_pacing_error",
        "Part of the budget spent or promised less part of the time gone.",
        labels=["campaign"],
    )
    for entry, _ in pairs[:MOST_CAMPAIGNS]:
        if entry.campaign.status == "active" and entry.number in errors:
            family.add_metric([entry.campaign.id], errors[entry.number])
    yield family


def portfolios(
    records: Sequence[PortfolioRecord], entries: Sequence[CatalogEntry], balances: Sequence[Balance]
) -> Iterator[Metric]:
    """Yield metrics of portfolios: sums over their members."""
    known = {e.campaign.id: figures_of(e, b) for e, b in zip(entries, balances, strict=True)}
    shown: dict[str, CampaignSums] = {}
    for record in records[:MOST_PORTFOLIOS]:
        try:
            members = [member.campaign for member in decode_portfolio(record.body).members]
        except PortfolioError:  # of another version of Raybid
            continue
        summed = CampaignSums()
        for name in members:
            summed = summed.plus(known.get(name, CampaignSums()))
        shown[record.id] = summed
    yield from _families("portfolio", shown)


def pacing_errors(table: PacingTable) -> Mapping[int, float]:
    """Return the pacing errors of open campaigns, by number: above 0 the budget is spent too fast."""
    if not len(table):
        return {}
    rows = table[table["open"] & (table["budget_total"] > 0.0) & (table["time_total"] > 0.0)]
    spent = 1.0 - rows["budget_left"] / rows["budget_total"]
    gone = 1.0 - rows["time_left"] / rows["time_total"]
    return dict(zip(rows["number"].tolist(), np.round(spent - gone, 6).tolist(), strict=True))


def _rank(pair: tuple[CatalogEntry, Balance]) -> tuple[bool, int, str]:
    entry, balance = pair
    return entry.campaign.status == "archived", -balance.spent, entry.campaign.id


def _families(of: str, shown: Mapping[str, CampaignSums]) -> Iterator[Metric]:
    for kinds, make in ((_GAUGES, GaugeMetricFamily), (_COUNTERS, CounterMetricFamily)):
        for name, about in kinds.items():
            family = make(f"raybid_{of}_{name}", about, labels=[of])
            for label, figures in shown.items():
                family.add_metric([label], getattr(figures, name))
            yield family
