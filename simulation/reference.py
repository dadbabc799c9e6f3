"""The reference market and its campaigns: what a first run trains on, registers and bids for."""

from __future__ import annotations

from pathlib import Path

from rtb.campaigns.campaign import Campaign
from simulation.auctions import Market
from simulation.campaigns import sample_campaigns

POLICY = Path(__file__).parent.parent / "models" / "ppo"
"""The published policy: what a first run serves."""

MARKET_SEED = 7
"""Of the population, its truth and its competitors; traffic drawn from it differs by the caller's own seed."""

CAMPAIGNS = 20


def campaigns(count: int = CAMPAIGNS) -> list[Campaign]:
    """The sample campaigns."""
    return sample_campaigns(count, MARKET_SEED)


def market(traffic_seed: int | None = None, *, auctions_per_second: float = 100.0) -> Market:
    """The market, at its beginning; with other traffic for each `traffic_seed`."""
    return Market(MARKET_SEED, traffic_seed=traffic_seed, auctions_per_second=auctions_per_second)
