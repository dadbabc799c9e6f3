"""Served traffic as training rows: bid events joined with the notices for their bids."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.datasets import ClickData
from rtb.events.parquet import read_events
from rtb.models.features import FIELDS, SCHEMA_VERSION
from rtb.store import Store

EVER = 9_999_999_999.0
"""Unix time later than all others."""

_SKEW_SECONDS = 60.0
"""Tolerance for clocks, in seconds: events have the ledger server's time, bids their replica's."""

_CHARGES = ("win", "bill")


class Served(NamedTuple):
    """The impressions that were shown, in order of their bids.

    Attributes:
        data: rows, and what their users did.
        at: Unix time of each bid, shape `(n,)`.
    """

    data: ClickData
    at: npt.NDArray[np.float64]


class NothingServed(RuntimeError):
    """An error for events without an impression to train or judge on."""


def served_impressions(store: Store, since: float = 0.0, until: float = EVER) -> ClickData:
    """Return the impressions of `served`, without their times."""
    return served(store, since, until).data


def served(store: Store, since: float = 0.0, until: float = EVER) -> Served:
    """Return the impressions that were shown.

    A bid counts as shown once it was charged, and clicks and conversions count likewise. Bids whose row was made by
    another version of the encoder are left out: their buckets mean something else.

    Args:
        store: store of the events.
        since: Unix time of the first bids that count.
        until: Unix time after the last bids that count; their outcomes may come later.

    Raises:
        NothingServed: none was shown, or all bids used another encoder.
        OSError: a file cannot be read.
    """
    folder = store.local()
    if folder is not None and not folder.is_dir():
        raise NothingServed(f"there is no folder {folder}: name the one that holds the events (RAYBID_VAR_DIR/events)")
    events = read_events(store, max(0.0, since - _SKEW_SECONDS), EVER).select(
        ["kind", "bid", "at", "features", "feature_schema", "outcome"]
    )
    bids = events.filter(pc.equal(events["kind"], "bid"))
    known = bids.filter(_are_rows(bids))
    if len(bids) and not len(known):
        raise NothingServed(
            f"the bids in {store.url} have other features than {SCHEMA_VERSION}: serve new traffic first"
        )
    at = known["at"].cast(pa.int64()).to_numpy() / 1e6
    shown = pc.is_in(known["bid"], value_set=_named(events, "settled", *_CHARGES)).to_numpy()
    chosen = np.flatnonzero(shown & (at >= since) & (at < until))
    if not len(chosen):
        raise NothingServed(f"no impressions in the events of {store.url}: serve some traffic first")
    chosen = chosen[np.argsort(at[chosen], kind="stable")]
    bids = known.take(chosen)
    rows = pc.list_flatten(bids["features"]).to_numpy().reshape(-1, len(FIELDS))
    click, conversion = (
        pc.is_in(bids["bid"], value_set=_named(events, "counted", kind)).to_numpy().astype(np.float32)
        for kind in ("click", "conversion")
    )
    return Served(ClickData(rows.astype(np.int32), click, click * conversion), at[chosen])


def _are_rows(bids: pa.Table) -> Any:
    """Return which bids have a row of this encoder."""
    right = pc.and_(
        pc.equal(bids["feature_schema"], SCHEMA_VERSION), pc.equal(pc.list_value_length(bids["features"]), len(FIELDS))
    )
    return pc.fill_null(right, False)


def _named(events: pa.Table, outcome: str, *kinds: str) -> pa.Array:
    """Return the bids named by notices of these kinds with this outcome at the ledger."""
    is_one = pc.and_(pc.is_in(events["kind"], value_set=pa.array(kinds)), pc.equal(events["outcome"], outcome))
    of_kind = events.filter(is_one)
    return pc.unique(of_kind["bid"])
