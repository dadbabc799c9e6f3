"""How CTR models are fitted, calibrated and judged."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ctr_training import evidence
from pipelines.ctr_training.calibrating import Method, calibrate
from pipelines.ctr_training.evidence import fit_logistic
from pipelines.ctr_training.figures import bins, calibration_error, figures, report
from pipelines.ctr_training.fitting import FitOptions, fit, logits_of
from pipelines.ctr_training.ipinyou_table import read_table
from pipelines.served import NothingServed, served_impressions
from rtb.events import BidEvent
from rtb.events.parquet import write_parts
from rtb.events.stream import StreamEntry
from rtb.models.ctr import MODELS, PRIOR, Model
from rtb.models.features import FIELDS, SCHEMA_VERSION, bucket
from rtb.models.scores import CLICK
from rtb.store import FolderStore
from rtb.tables import BadTable
from simulation.optimum import bayes_auc, expected_auc
from tests.pipelines.ctr_cases import HEADER, made_up, write_table

_DATA = made_up(20_000)
_TRAINING, _LATER = _DATA.split(0.5)


def test_a_field_that_tells_something_is_trusted_and_one_that_does_not_is_held_back() -> None:
    rng = np.random.default_rng(2)
    telling, noise = rng.integers(5, size=20_000), rng.integers(500, size=20_000)
    effect = np.array([-1.5, -0.5, 0.0, 0.5, 1.5])
    label = (rng.random(20_000) < 1 / (1 + np.exp(2.5 - effect[telling]))).astype(np.float32)
    columns = np.stack([telling, noise + 5], axis=1).astype(np.int32)
    found = fit_logistic(columns, label, np.repeat([0, 1], [5, 500]), (0.1, 10.0))
    assert found.weight[:5] - found.weight[:5].mean() == pytest.approx(effect, abs=0.2)
    assert np.abs(found.weight[5:]).max() < 0.15
    assert found.spread[0] > 5 * found.spread[1]


def test_a_part_of_the_rows_first_leads_to_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = fit(_TRAINING, None, FitOptions())
    monkeypatch.setattr(evidence, "_ENOUGH", 2_000)
    in_steps, _ = fit(_TRAINING, None, FitOptions())
    near = [logits_of(network, _LATER.rows)[:, CLICK].numpy() for network in (whole, in_steps)]
    assert near[0] == pytest.approx(near[1], abs=0.1)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_labels_all_alike_move_the_rate_and_nothing_else(label: float) -> None:
    found = fit_logistic(np.zeros((90, 1), np.int32), np.full(90, label, np.float32), np.zeros(1, int), (0.5, 10.0))
    assert 1 / (1 + np.exp(-found.bias)) == pytest.approx((90 * label + 5) / 100)
    assert not found.weight.any()


@pytest.mark.parametrize("model", MODELS)
def test_every_model_learns_what_a_campaigns_audience_likes(model: Model) -> None:
    network, _ = fit(_TRAINING, _LATER, FitOptions(model=model, epochs=2))
    assert _LATER.truth is not None
    reached = expected_auc(logits_of(network, _LATER.rows)[:, CLICK].numpy(), _LATER.truth)
    assert (reached - 0.5) / (bayes_auc(_LATER.truth) - 0.5) > 0.95


def test_fewer_negatives_leave_the_probabilities_where_they_are() -> None:
    network, _ = fit(_TRAINING, None, FitOptions(keep_negatives=0.1))
    chance = torch.sigmoid(logits_of(network, _LATER.rows)[:, CLICK]).mean()
    assert float(chance) == pytest.approx(float(_LATER.click.mean()), rel=0.1)


def test_the_same_seed_trains_the_same_network() -> None:
    options = FitOptions(model="deepfm", epochs=1, keep_negatives=0.5)
    one, other = (fit(_TRAINING, None, options)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_without_a_click_the_prior_is_what_is_left() -> None:
    network, _ = fit(_TRAINING.take(np.flatnonzero(_TRAINING.click == 0)[:10]), None, FitOptions())
    scores = torch.sigmoid(logits_of(network, _LATER.rows[:5])).numpy()
    assert scores == pytest.approx(np.tile(PRIOR, (5, 1)), rel=0.05)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_calibration_mends_logits_that_are_off(method: Method) -> None:
    network, _ = fit(_TRAINING, None, FitOptions())
    off = logits_of(network, _LATER.rows) * 1.5 + 2.0
    half = len(_LATER) // 2
    calibration = calibrate(method, off[:half], _LATER.take(slice(None, half)))
    rest = _LATER.take(slice(half, None))
    before = calibration_error(torch.sigmoid(off[half:, CLICK]).numpy(), rest.click)
    after = calibration_error(calibration.probabilities(off[half:])[:, CLICK], rest.click)
    assert after < 0.02 < before


@pytest.mark.parametrize("method", ["platt", "isotonic", "none"])
def test_calibration_without_clicks_changes_no_order(method: Method) -> None:
    none = _LATER.take(np.flatnonzero(_LATER.click == 0)[:100])
    logits = torch.linspace(-8, -1, 100).repeat(2, 1).T
    assert (np.diff(calibrate(method, logits, none).probabilities(logits), axis=0) >= 0).all()


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200))
def test_bins_hold_every_impression_once_in_order_of_prediction(drawn: list[tuple[float, bool]]) -> None:
    p, y = np.array(drawn, float).T
    found = bins(p, y)
    assert sum(part.impressions for part in found) == len(drawn)
    assert max(part.impressions for part in found) - min(part.impressions for part in found) <= 1
    assert all(low.predicted <= high.predicted + 1e-12 for low, high in pairwise(found))
    assert sum(part.impressions * part.observed for part in found) == pytest.approx(y.sum())
    assert abs(p.mean() - y.mean()) - 1e-12 <= calibration_error(p, y) <= 1


def test_figures_of_the_truth_and_of_the_truth_doubled() -> None:
    assert _DATA.truth is not None
    true, doubled = figures(_DATA.truth, _DATA.click), figures(2 * _DATA.truth, _DATA.click)
    assert true["auc"] == doubled["auc"]
    assert true["logloss"] < doubled["logloss"]
    assert true["ece"] < 0.01
    assert doubled["ece"] == pytest.approx(_DATA.truth.mean(), rel=0.1)


def test_report_says_how_near_the_best_a_model_came() -> None:
    assert _DATA.truth is not None
    truth = np.stack([_DATA.truth, np.full(len(_DATA), 0.3)], axis=1).astype(np.float32)
    found = report(truth, _DATA)
    assert found["auc_share"] == pytest.approx(1.0, abs=1e-4)
    assert found["cvr"] == pytest.approx(0.3, abs=0.05)
    assert "auc_share" not in report(truth, _DATA.__class__(_DATA.rows, _DATA.click, _DATA.conversion))


def test_a_table_goes_through_the_one_encoder(tmp_path: Path) -> None:
    data = read_table(write_table(tmp_path / "t.tsv", 50))
    assert data.rows.shape == (50, len(FIELDS))
    assert set(data.rows[:, FIELDS.index("campaign")]) == {bucket("campaign", "2997")}
    assert set(data.rows[:, FIELDS.index("country")]) == {bucket("country", "CHN")}
    assert len(set(data.rows[:, FIELDS.index("floor")])) == 3
    assert set(data.rows[:, FIELDS.index("browser")]) == {bucket("browser", "safari")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no column click"),
        ("click\thour\n1\t2\n", "no column weekday"),
        ("\t".join(HEADER) + "\n", "no impression"),
        ("\t".join(HEADER) + "\n1\t2\n", "line 2: 2 columns"),
        ("\t".join(HEADER) + "\n" + "\t".join(["2"] * len(HEADER)) + "\n", "line 2: click is '2'"),
        (
            "\t".join(HEADER) + "\n" + "\t".join(["1"] * 3 + ["99"] + ["1"] * (len(HEADER) - 4)) + "\n",
            "line 2: hour is '99'",
        ),
    ],
)
def test_a_bad_table_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(BadTable, match=told):
        read_table(tmp_path / "t.tsv")


def _served(tmp_path: Path, schema: str | None = SCHEMA_VERSION) -> Path:
    """Five bids: lost; shown; shown and clicked; shown, clicked and converted; clicked, and said to be won."""
    start = int(time.time()) * 1_000
    entries = []
    for number in range(5):
        event = BidEvent(bid=f"b{number}", request="r", campaign=1, creative="c/1", features=[number] * len(FIELDS),
                         pctr=0.1, multiplier=1.0, price_micros=9, floor_micros=1, at=start / 1_000 + number,
                         feature_schema=schema)  # fmt: skip
        entries.append({b"kind": b"bid", b"bid": event.bid.encode(), b"data": msgspec.json.encode(event)})
    notices = [("loss", 0), ("bill", 3), ("win", 2), ("bill", 2), ("bill", 1), ("click", 2), ("click", 3),
               ("conversion", 3), ("win", 4), ("click", 4)]  # fmt: skip
    outcomes = {"bill": b"settled", "loss": b"freed"}
    entries += [
        {b"kind": kind.encode(), b"bid": f"b{number}".encode(), b"outcome": outcomes.get(kind, b"counted")}
        for kind, number in notices
    ]
    list(
        write_parts(
            FolderStore(tmp_path), [StreamEntry(f"{start + place}-0", fields) for place, fields in enumerate(entries)]
        )
    )
    return tmp_path


def test_served_impressions_are_bids_joined_with_what_became_of_them(tmp_path: Path) -> None:
    data = served_impressions(FolderStore(_served(tmp_path)))
    assert data.rows[:, 0].tolist() == [1, 2, 3]
    assert data.click.tolist() == [0, 1, 1]
    assert data.conversion.tolist() == [0, 0, 1]


@pytest.mark.parametrize("schema", [None, "features-0"])
def test_bids_of_another_encoder_are_not_trained_on(tmp_path: Path, schema: str | None) -> None:
    with pytest.raises(NothingServed, match="other features"):
        served_impressions(FolderStore(_served(tmp_path, schema)))
    with pytest.raises(NothingServed, match="no folder"):
        served_impressions(FolderStore(tmp_path / "none"))
