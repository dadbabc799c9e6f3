"""What was served, as training rows: bid events joined with the notices that name their bids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.datasets import ClickData
from rtb.events.parquet import read_events
from rtb.features import FIELDS

EVER = 9_999_999_999.0
"""A Unix time after all others."""

_SHOWN = ("win", "bill")


class NothingServed(RuntimeError):
    """The folder holds no impression that a model could be trained or judged on."""


def served_impressions(folder: Path, since: float = 0.0, until: float = EVER) -> ClickData:
    """Impressions that were shown, in order of their bids, with what their users did.

    A bid counts as shown once a win or billing notice named it. The truth, which nobody knows, is not a number.

    Args:
        folder: of the events.
        since: Unix time from which on bids count.
        until: Unix time from which on they do not; what became of those before it may come later.

    Raises:
        NothingServed: none was shown, or all were bid on with another encoder.
        OSError: a file cannot be read.
    """
    events = read_events(folder, since, EVER).select(["kind", "bid", "at", "features"])
    bids = events.filter(pc.and_(pc.equal(events["kind"], "bid"), _are_rows(events["features"])))
    at = bids["at"].cast(pa.int64()).to_numpy() / 1e6
    shown = pc.is_in(bids["bid"], value_set=_named(events, *_SHOWN)).to_numpy()
    chosen = np.flatnonzero(shown & (at >= since) & (at < until))
    if not len(chosen):
        raise NothingServed(f"no impression with its features in the events of {folder}: serve some traffic first")
    bids = bids.take(chosen[np.argsort(at[chosen], kind="stable")])
    rows = pc.list_flatten(bids["features"]).to_numpy().reshape(-1, len(FIELDS))
    click, conversion = (
        pc.is_in(bids["bid"], value_set=_named(events, kind)).to_numpy().astype(np.float32)
        for kind in ("click", "conversion")
    )
    return ClickData(rows.astype(np.int32), click, click * conversion, np.full(len(rows), np.nan))


def _are_rows(features: Any) -> Any:
    """Which are rows of this encoder."""
    return pc.fill_null(pc.equal(pc.list_value_length(features), len(FIELDS)), False)


def _named(events: Any, *kinds: str) -> Any:
    """Bids that events of these kinds name."""
    return events["bid"].filter(pc.is_in(events["kind"], value_set=pa.array(kinds))).combine_chunks()
