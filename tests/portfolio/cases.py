"""Portfolios to test with: a few by hand, and any there may be."""

from __future__ import annotations

from hypothesis import strategies as st

from portfolio.memory import Counts, Memory
from portfolio.snapshot import CampaignState, Limits, Snapshot, Targets

MONEY = st.one_of(st.integers(0, 50), st.integers(0, 10**7), st.integers(0, 10**12))


def campaign(name: str, *periods: Counts, **fields: object) -> CampaignState:
    """Build a campaign with these last periods."""
    counts, memory = Counts(), Memory()
    for period in periods:
        counts, memory = counts.plus(period), memory.after(period)
    return CampaignState(id=name, counts=counts, memory=memory, **fields)  # type: ignore[arg-type]


def clicks(count: int, *, spend: int = 1_000_000, impressions: int = 10_000) -> Counts:
    """Build a period with this many clicks, each worth 1000 micros."""
    return Counts(spend, impressions, count, 0, count * 1_000)


@st.composite
def periods(draw: st.DrawFn) -> Counts:
    impressions = draw(st.integers(0, 10**6))
    clicked = draw(st.integers(0, impressions))
    conversions = draw(st.integers(0, clicked))
    return Counts(draw(MONEY), impressions, clicked, conversions, draw(MONEY))


@st.composite
def states(draw: st.DrawFn, name: str) -> CampaignState:
    floor = draw(MONEY)
    limits = Limits(
        floor=floor,
        cap=draw(st.none() | MONEY.map(lambda more: floor + more)),
        step=draw(st.none() | MONEY),
        least_spend=draw(MONEY),
    )
    return campaign(
        name,
        *draw(st.lists(periods(), max_size=3)),
        budget=draw(MONEY),
        spent=draw(MONEY),
        reserved=draw(st.integers(0, 10**4)),
        leased=draw(st.integers(0, 10**4)),
        limits=limits,
        weight=draw(st.sampled_from([0.0, 1.0, 1.0, 2.5]) | st.floats(0.0, 1e6)),
        paused=draw(st.booleans()),
        event=draw(st.sampled_from(["click", "conversion"])),
        event_value=draw(MONEY),
        targets=Targets(roi=draw(st.none() | st.floats(-0.5, 5.0))),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any portfolio whose floors and commitments fit into its total."""
    names = draw(st.lists(st.text("abcxyz-1", min_size=1, max_size=3), unique=True, max_size=6))
    campaigns = [draw(states(name)) for name in names]
    least = sum(one.committed if one.paused else max(one.committed, one.limits.floor) for one in campaigns)
    return Snapshot(least + draw(MONEY), campaigns, draw(st.sampled_from([1.0, 24.0])))
