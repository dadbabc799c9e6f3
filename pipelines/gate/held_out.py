"""Data to judge models on, which neither of them was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rtb.store import Store


@dataclass(frozen=True)
class HeldOut:
    """The data to judge models on.

    Attributes:
        events: store of served events; none: use the simulator.
        since: Unix time from which the events count; 0: the newest fifth.
        impressions: number of simulated impressions.
        logs: folder of logged auctions for policies; none: simulated episodes.
    """

    events: Store | None = None
    since: float = 0.0
    impressions: int = 100_000
    logs: Path | None = None
