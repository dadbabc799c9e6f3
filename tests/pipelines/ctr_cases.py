"""Made-up impressions for the training of CTR models."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipelines.datasets import ClickData
from rtb.models import features

COLUMNS = "click market_price weekday hour useragent IP region city domain slotid slotwidth slotheight slotvisibility"
HEADER = [*COLUMNS.split(), "slotformat", "creative", "advertiser", "slotprice"]
RATES = {"0-10": 0.02, "11-50": 0.05, "51-100": 0.2}


def write_table(path: Path, rows: int, seed: int = 0) -> Path:
    """Build a table in iPinYou's form, whose clicks follow the floor; slots and cities are noise."""
    rng = np.random.default_rng(seed)
    lines = ["\t".join(HEADER)]
    for _ in range(rows):
        floor = str(rng.choice([*RATES]))
        click = int(rng.random() < RATES[floor])
        slot, city, host = rng.integers(0, 200), rng.integers(0, 100), rng.integers(0, 250)
        lines.append(
            f"{click}\t50\t2\t{rng.integers(24)}\tandroid_safari\t10.{host}.0.*\t3\t{city}\tnull\t{slot}\t320\t50\t"
            f"FirstView\tNa\t11908\t2997\t{floor}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def made_up(rows: int, seed: int = 0, *, campaigns: int = 2) -> ClickData:
    """Impressions of which the campaign's own answer to the country, and the floor, decide."""
    rng = np.random.default_rng(seed)
    found = np.zeros((rows, len(features.FIELDS)), np.int32)
    drawn = {"campaign": campaigns, "country": 2, "floor": 3, "publisher": 300, "city": 500}
    values = {name: rng.integers(count, size=rows) for name, count in drawn.items()}
    for name, value in values.items():
        buckets = np.array([features.bucket(name, str(n)) for n in range(drawn[name])], np.int32)
        found[:, features.FIELDS.index(name)] = buckets[value]
    logit = -3.0 + np.where(values["campaign"] % 2 == values["country"], 1.0, -1.0) + 0.5 * (values["floor"] - 1)
    truth = 1.0 / (1.0 + np.exp(-logit))
    click = rng.random(rows) < truth
    conversion = click & (rng.random(rows) < 0.3)
    return ClickData(found, click.astype(np.float32), conversion.astype(np.float32), truth)
