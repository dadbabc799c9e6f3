"""The reference market and its campaigns, which a first run trains on and bids for."""

from __future__ import annotations

from pathlib import Path

from rtb.campaigns.campaign import Campaign
from simulation.auctions import SimulatedMarket
from simulation.campaigns import sample_campaigns

POLICY = Path(__file__).parent.parent / "models" / "ppo"
"""The published policy, which a first run serves."""

MARKET_SEED = 7
"""Seed of the population, its truth and its competitors; traffic differs by the caller's own seed."""

CAMPAIGNS = 20


def campaigns(count: int = CAMPAIGNS) -> list[Campaign]:
    """Return the sample campaigns."""
    return sample_campaigns(count, MARKET_SEED)


def market(traffic_seed: int | None = None, *, auctions_per_second: float = 100.0) -> SimulatedMarket:
    """Return the market at its beginning, with different traffic for each `traffic_seed`."""
    return SimulatedMarket(MARKET_SEED, traffic_seed=traffic_seed, auctions_per_second=auctions_per_second)
