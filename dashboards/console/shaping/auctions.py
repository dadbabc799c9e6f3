"""Auctions from events: one row per bid, with its outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rtb.models.features import FIELDS, SCHEMA_VERSION

_BID = ("bid", "at", "campaign", "creative", "request", "price_micros", "floor_micros", "pctr", "multiplier")
_MORE = ("first_price", "experiment")


def auctions_of(events: pa.Table, campaigns: pd.DataFrame) -> pd.DataFrame:
    """Return the bids in the order they were made.

    Columns besides those of the event: `campaign` is the id, `result` is `won`, `lost` or `open` (no notice yet),
    `cost_micros` is the charge, `min_to_win_micros` (NaN: unknown), `clicks`, `conversions`, `value_micros`,
    `worth_micros` is the model's value of the impression (value x pCTR x multiplier; NaN for campaigns that pay for
    conversions, whose probability is in no event), and `arm`.

    Args:
        events: events of `rtb.events.schema.SCHEMA`.
        campaigns: see `campaigns.table_of`; bids of other campaigns are left out.
    """
    bids = events.filter(pc.equal(events["kind"], "bid")).select([*_BID, *_MORE]).to_pandas()
    known = campaigns.reset_index(drop=True).set_index("number")
    bids = bids[bids["campaign"].isin(known.index) & bids["price_micros"].notna()].copy()
    notices = notices_of(events)
    for kind in ("win", "loss", "click", "conversion"):
        heard = notices[notices["kind"] == kind].groupby("bid").size()
        bids[kind] = bids["bid"].map(heard).fillna(0).astype("int64")
    charged = notices[notices["cost_micros"] > 0].groupby("bid")["cost_micros"].sum()
    told = notices.dropna(subset="min_to_win_micros").groupby("bid")["min_to_win_micros"].last()
    bids["cost_micros"] = bids["bid"].map(charged).fillna(0).astype("int64")
    bids["min_to_win_micros"] = bids["bid"].map(told).astype("float64")
    is_won = (bids["win"] > 0) | (bids["cost_micros"] > 0)
    bids["result"] = np.select([is_won, bids["loss"] > 0], ["won", "lost"], "open")
    worth, by_click = bids["campaign"].map(known["worth"]), bids["campaign"].map(known["goal"]) == "click"
    bids["value_micros"] = worth * np.where(by_click, bids["click"], bids["conversion"])
    bids["worth_micros"] = (worth * bids["pctr"] * bids["multiplier"]).where(by_click)
    bids["arm"] = np.where(bids["experiment"].notna(), "challenger", "champion")
    bids["campaign"] = bids["campaign"].map(known["id"])
    renamed = {"click": "clicks", "conversion": "conversions"}
    return bids.drop(columns=["win", "loss"]).rename(columns=renamed).reset_index(drop=True)


def notices_of(events: pa.Table) -> pd.DataFrame:
    """Return notices: `kind`, `at`, `bid`, `campaign` (number), `cost_micros` (0: no charge), `min_to_win_micros`."""
    columns = ["kind", "at", "bid", "campaign", "price_micros", "outcome", "min_to_win_micros"]
    is_notice = pc.is_in(events["kind"], pa.array(["win", "bill", "loss", "click", "conversion"]))
    found = events.filter(is_notice).select(columns).to_pandas()
    is_charge = (found["outcome"] == "settled") & found["kind"].isin(["win", "bill"])
    found["cost_micros"] = np.where(is_charge, found["price_micros"].fillna(0), 0)
    return found.drop(columns=["price_micros", "outcome"])


def over_time(events: pa.Table, campaigns: pd.DataFrame, step: float) -> pd.DataFrame:
    """Return sums by time of occurrence: `bids`, `wins`, `losses`, `impressions`, `clicks`, `spent_micros`.

    Args:
        events: events of `rtb.events.schema.SCHEMA`.
        campaigns: campaigns that count.
        step: seconds per row.
    """
    numbers = campaigns["number"]
    bids = events.filter(pc.equal(events["kind"], "bid")).select(["at", "campaign"]).to_pandas()
    bids = bids[bids["campaign"].isin(numbers)]
    notices = notices_of(events)
    notices = notices[notices["campaign"].isin(numbers)]
    columns = {"bids": _counted(bids, step)}
    for name, kind in (("wins", "win"), ("losses", "loss"), ("clicks", "click")):
        columns[name] = _counted(notices[notices["kind"] == kind], step)
    charges = notices[notices["cost_micros"] > 0]
    columns["impressions"] = _counted(charges, step)
    columns["spent_micros"] = charges.groupby(_binned(charges["at"], step))["cost_micros"].sum()
    table = pd.DataFrame(columns).sort_index()
    if table.empty:
        return table
    whole = pd.date_range(table.index[0], table.index[-1], freq=pd.Timedelta(seconds=step))
    return table.reindex(whole).fillna(0.0)


def buckets_of(events: pa.Table, field: str) -> pd.DataFrame:
    """Return the bucket of one feature of each bid (`bid`, `bucket`); 0 for rows of another encoder."""
    bids = events.filter(pc.equal(events["kind"], "bid"))
    rows = bids["features"]
    is_ours = pc.and_(
        pc.equal(bids["feature_schema"], SCHEMA_VERSION), pc.equal(pc.list_value_length(rows), len(FIELDS))
    ).fill_null(False)
    ours = bids.filter(is_ours)
    at = FIELDS.index(field)
    found = pc.list_element(ours["features"], at) if len(ours) else pa.array([], pa.int32())
    named = pd.DataFrame({"bid": ours["bid"].to_pandas(), "bucket": found.to_pandas()})
    others = bids.filter(pc.invert(is_ours))["bid"].to_pandas()
    return pd.concat([named, pd.DataFrame({"bid": others, "bucket": 0})], ignore_index=True)


def _counted(rows: pd.DataFrame, step: float) -> pd.Series:
    return rows.groupby(_binned(rows["at"], step)).size()


def _binned(at: pd.Series, step: float) -> pd.Series:
    return at.dt.floor(pd.Timedelta(seconds=step))
