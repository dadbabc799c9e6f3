"""What models are judged on: data that neither of them was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HeldOut:
    """What models are judged on.

    Attributes:
        events: folder of served events; none: the simulator.
        since: of the events, Unix time from which on they count; 0: the newest fifth.
        impressions: of the simulator.
        logs: folder of logged auctions for policies; none: the simulator's episodes.
    """

    events: Path | None = None
    since: float = 0.0
    impressions: int = 100_000
    logs: Path | None = None
