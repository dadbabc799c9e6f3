"""Events as the platform writes them, few enough to count by hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from rtb.events.parquet import write_parts
from rtb.events.schema import to_table
from rtb.events.sink import BidEvent
from rtb.events.stream import StreamEntry
from rtb.models.features import FIELDS, SCHEMA_VERSION, bucket
from rtb.store import FolderStore


class Writer:
    """Collects events, one a millisecond from a moment on."""

    def __init__(self, begin: float) -> None:
        self.begin, self._entries = begin, list[StreamEntry]()

    def bid(self, name: str, campaign: int, price: int, **more: Any) -> None:
        """Build a bid; `device`, `country` and `format` are what the model saw."""
        features = [1] * len(FIELDS)
        seen = {"devicetype": more.pop("device", "4"), "country": more.pop("country", "USA")}
        for field, value in {**seen, "format": more.pop("format", "banner")}.items():
            features[FIELDS.index(field)] = bucket(field, value)
        told: dict[str, Any] = {
            "request": f"r-{name}",
            "creative": f"c{campaign}-a",
            "features": features,
            "feature_schema": SCHEMA_VERSION,
            "pctr": 0.01,
            "multiplier": 0.5,
            "floor_micros": 100,
            "first_price": False,
            **more,
        }
        event = BidEvent(bid=name, campaign=campaign, price_micros=price, at=self._at, **told)
        self._put({"kind": "bid", "bid": name, "data": msgspec.json.encode(event).decode()})

    def notice(self, kind: str, name: str, campaign: int, **more: Any) -> None:
        """Build a notice of a bid."""
        told = {"price_micros": 0, "outcome": "counted", **more}
        self._put({"kind": kind, "bid": name, "campaign": campaign, "at": self._at, **told})

    def won(self, name: str, campaign: int, cost: int, to_win: int) -> None:
        """Win and bill of a bid."""
        self.notice("win", name, campaign, min_to_win_micros=to_win)
        self.notice("bill", name, campaign, price_micros=cost, outcome="settled")

    def table(self) -> pa.Table:
        """Of the events' schema."""
        return to_table(self._entries)

    def write(self, folder: Path) -> None:
        """Into files, as the Controller does."""
        written: Iterable[Any] = write_parts(FolderStore(folder), self._entries)
        assert list(written)

    @property
    def _at(self) -> float:
        return self.begin + len(self._entries) / 1_000

    def _put(self, fields: dict[str, Any]) -> None:
        number = round(self._at * 1_000)
        self._entries.append(StreamEntry(f"{number}-0", {k.encode(): str(v).encode() for k, v in fields.items()}))


def few(begin: float) -> Writer:
    """Four bids of two campaigns: won and clicked, won, lost, open."""
    made = Writer(begin)
    made.bid("b1", 1, 1_000)
    made.bid("b2", 1, 2_000, device="2", country="DEU")
    made.bid("b3", 2, 800, first_price=True, experiment=7)
    made.bid("b4", 2, 900)
    made.won("b1", 1, 600, 600)
    made.won("b2", 1, 1_500, 1_500)
    made.notice("loss", "b3", 2, outcome="freed", min_to_win_micros=1_600)
    made.notice("click", "b1", 1)
    return made
