"""The CTR network: its interactions, its probabilities, and its artefact."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rtb.models import artefacts, ctr, features
from rtb.models.artefacts import ArtefactError
from rtb.models.ctr import MODELS, PRIOR, Calibration, CTRNetwork, CTRScorer, Isotonic, Model, Platt
from rtb.models.ctr.networks import CROSSES, WIDE_FIELDS, FactorizationMachine, wide_slots

_CURVE = np.array([[-9.0, -5.0, -2.0, 0.0], [0.0, 0.004, 0.004, 0.3]], np.float32)
_CALIBRATIONS = (Platt(torch.tensor([0.9, 1.2]), torch.tensor([0.1, -0.4])), Isotonic(_CURVE, _CURVE[:, 1:]))


@pytest.fixture(scope="module")
def network() -> CTRNetwork:
    torch.manual_seed(5)
    made = CTRNetwork("deepfm", dim=4, hidden=(8,))
    torch.nn.init.normal_(made.wide.weight)
    return made


def _rows(count: int) -> features.Rows:
    return np.random.default_rng(3).integers(0, features.BUCKETS, (count, len(features.FIELDS)), np.int32)


def test_before_training_everything_has_the_prior() -> None:
    scores = CTRScorer.untrained().score(_rows(3))
    assert scores == pytest.approx(np.tile(PRIOR, (3, 1)))
    assert CTRScorer.untrained().score(_rows(0)).shape == (0, 2)


def test_scores_are_probabilities(network: CTRNetwork) -> None:
    scores = CTRScorer(network, "v").score(_rows(50))
    assert scores.shape == (50, 2)
    assert ((scores > 0) & (scores < 1)).all()
    assert np.ptp(scores, axis=0).min() > 0


def test_score_of_a_row_is_its_own_whatever_is_in_the_batch(network: CTRNetwork) -> None:
    scorer, rows = CTRScorer(network, "v"), _rows(20)
    order = np.random.default_rng(1).permutation(20)
    together = scorer.score(rows)
    assert scorer.score(rows[order]) == pytest.approx(together[order], rel=1e-5)
    assert np.concatenate([scorer.score(rows[n : n + 1]) for n in range(20)]) == pytest.approx(together, rel=1e-5)
    assert scorer.score(rows[:0]).shape == (0, 2)


@pytest.mark.parametrize("model", ["fm", "deepfm"])
def test_interaction_is_the_sum_over_pairs_of_fields(model: Model) -> None:
    machine, rows = CTRNetwork(model, dim=4, hidden=(8,)).interactions, torch.from_numpy(_rows(4))
    assert isinstance(machine, FactorizationMachine)
    with torch.inference_mode():
        embedded = machine.embedding(rows)
        pairs = sum((embedded[:, a] * embedded[:, b]).sum(1) for a, b in combinations(range(rows.shape[1]), 2))
        assert torch.allclose(machine(rows), pairs[:, None] * machine.scale, atol=1e-5)  # the perceptron begins at 0


def test_wide_part_has_a_weight_a_field_and_a_weight_a_taste() -> None:
    slots = wide_slots(torch.from_numpy(_rows(50)))
    assert slots.shape == (50, len(WIDE_FIELDS))
    assert int(slots.min()) >= 0
    assert int(slots.max()) < features.BUCKETS + CROSSES


@given(campaign=st.integers(0, features.BUCKETS - 1), seed=st.integers(0, 1_000))
def test_tastes_of_one_campaign_never_share_a_weight(campaign: int, seed: int) -> None:
    values = np.random.default_rng(seed).permutation(features.BUCKETS)[:500].astype(np.int32)
    rows = np.zeros((500, len(features.FIELDS)), np.int32)
    rows[:, features.FIELDS.index("publisher")] = values
    rows[:, features.FIELDS.index("campaign")] = campaign
    assert len(wide_slots(torch.from_numpy(rows))[:, WIDE_FIELDS.index("campaign*publisher")].unique()) == 500


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("calibration", [None, *_CALIBRATIONS])
def test_saved_network_scores_the_same(model: Model, calibration: Calibration | None, tmp_path: Path) -> None:
    network = CTRNetwork(model, dim=4, hidden=(8,))
    torch.nn.init.normal_(network.wide.weight)
    meta = ctr.save(tmp_path / "ctr", network, metrics={"auc": 0.7}, trained_on="a test", calibration=calibration)
    loaded = CTRScorer.load(tmp_path / "ctr")
    assert loaded.version == meta.version
    assert np.array_equal(loaded.score(_rows(10)), CTRScorer(network, "v", calibration).score(_rows(10)))


@given(st.lists(st.floats(-12, 6), min_size=2, max_size=20), st.sampled_from(_CALIBRATIONS))
def test_calibrated_answers_are_probabilities_in_the_order_of_the_logits(
    drawn: list[float], calibration: Calibration
) -> None:
    logits = torch.tensor(sorted(drawn)).repeat(2, 1).T
    scores = calibration.probabilities(logits)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    # Equal logits may differ by a last digit: most are answered eight at a time, the rest one by one.
    assert (np.diff(scores, axis=0) >= -np.spacing(scores[1:])).all()


@pytest.mark.parametrize(
    "config",
    [
        {"model": "deepfm", "dim": 4, "hidden": [9]},
        {"model": "deepfm", "dim": 5, "hidden": [8]},
        {"model": "lr", "dim": 4, "hidden": [8]},
        {"model": "forest", "dim": 4, "hidden": [8]},
        {"model": "deepfm", "dim": 4},
        {},
    ],
)
def test_artefact_that_does_not_fit_its_network_is_refused(
    network: CTRNetwork, tmp_path: Path, config: dict[str, object]
) -> None:
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    artefacts.save(
        tmp_path / "ctr",
        kind="ctr",
        schema_version=features.SCHEMA_VERSION,
        tensors=tensors | Platt.identity().tensors(),
        config=config,
        metrics={},
        trained_on="a test",
    )
    with pytest.raises(ArtefactError, match="train it again"):
        CTRScorer.load(tmp_path / "ctr")


def test_missing_artefact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no ctr artefact"):
        CTRScorer.load(tmp_path)
