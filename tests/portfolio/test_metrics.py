"""Figures of campaigns and of the portfolio: sums, ratios, and intervals that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from portfolio.memory import Counts
from portfolio.metrics import PORTFOLIO, metrics_of, write_csv, write_parquet
from portfolio.snapshot import Snapshot
from tests.portfolio.cases import campaign, clicks, snapshots

SUMS = ["spend_micros", "impressions", "clicks", "conversions", "value_micros"]


def test_ratios_of_one_campaign() -> None:
    table = metrics_of(Snapshot(total=0, campaigns=(campaign("a", clicks(100), budget=4_000_000),)))
    row = table.iloc[0]
    assert row["ctr"] == pytest.approx(0.01)
    assert row["cpm"] == pytest.approx(100_000)
    assert row["cpc"] == pytest.approx(10_000)
    assert row["roi"] == pytest.approx(-0.9)
    assert np.isnan(row["cpa"])


@given(snapshots())
def test_the_last_row_is_the_sum_and_intervals_hold_what_they_are_about(snapshot: Snapshot) -> None:
    table = metrics_of(snapshot)
    campaigns, whole = table[table["scope"] != PORTFOLIO], table[table["scope"] == PORTFOLIO]
    assert len(whole) == 1
    assert len(campaigns) == len(snapshot.campaigns)
    np.testing.assert_allclose(campaigns[SUMS].sum().to_numpy(float), whole[SUMS].iloc[0].to_numpy(float))
    for name in ("ctr", "cvr", "cpc", "cpa"):
        known = table.dropna(subset=[f"{name}_low", f"{name}_high"])
        assert (known[f"{name}_low"] <= known[f"{name}_high"]).all()


def test_more_evidence_narrows_an_interval() -> None:
    few = metrics_of(Snapshot(total=0, campaigns=(campaign("a", clicks(10, impressions=1_000)),))).iloc[0]
    many = metrics_of(Snapshot(total=0, campaigns=(campaign("a", clicks(1_000, impressions=100_000)),))).iloc[0]
    assert few["ctr"] == pytest.approx(many["ctr"])
    assert few["ctr_low"] < many["ctr_low"] < many["ctr"] < many["ctr_high"] < few["ctr_high"]


def test_a_coverage_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="coverage"):
        metrics_of(Snapshot(total=0, campaigns=()), coverage=1.0)


def test_files_hold_the_same_as_the_table(tmp_path: Path) -> None:
    table = metrics_of(Snapshot(total=0, campaigns=(campaign("a", clicks(5)), campaign("b"))))
    write_csv(tmp_path / "figures.csv", table)
    write_parquet(tmp_path / "figures.parquet", table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "figures.parquet"), table)
    assert pd.read_csv(tmp_path / "figures.csv")["clicks"].tolist() == table["clicks"].tolist()


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_intervals_hold_the_truth_as_often_as_they_say(coverage: float) -> None:
    """Over two thousand campaigns whose rates are known."""
    random, runs, ctr, cvr = np.random.default_rng(5), 2_000, 0.02, 0.1
    impressions, spend, worth = 20_000, 8_000_000, 30_000
    counted = random.binomial(impressions, ctr, runs)
    converted = random.binomial(counted, cvr)
    states = [
        campaign(f"{n}", Counts(spend, impressions, int(c), int(k), int(c) * worth), event_value=worth)
        for n, (c, k) in enumerate(zip(counted, converted, strict=True))
    ]
    table = metrics_of(Snapshot(total=0, campaigns=states), coverage).iloc[:-1]
    truths = {"ctr": ctr, "cvr": cvr, "cpc": spend / (impressions * ctr), "cpa": spend / (impressions * ctr * cvr)}
    truths["roi"] = impressions * ctr * worth / spend - 1.0
    for name, truth in truths.items():
        held = ((table[f"{name}_low"] <= truth) & (truth <= table[f"{name}_high"])).mean()
        assert coverage - 0.03 < held < coverage + 0.05, name
