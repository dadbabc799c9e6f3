"""The CTR network: its interactions, its probabilities, and its artefact."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from rtb import artefacts, ctr, features
from rtb.artefacts import ArtefactError
from rtb.ctr import PRIOR, CTRNetwork, CTRScorer


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


def test_interaction_is_the_sum_over_pairs_of_fields(network: CTRNetwork) -> None:
    rows = torch.from_numpy(_rows(4))
    with torch.inference_mode():
        embedded = network.embedding(rows)
        pairs = sum((embedded[:, a] * embedded[:, b]).sum(1) for a, b in combinations(range(rows.shape[1]), 2))
        expected = (
            network.bias
            + network.linear(rows).sum(1)
            + pairs[:, None] * network.interaction
            + network.deep(embedded.flatten(1))
        )
        assert torch.allclose(network(rows), expected, atol=1e-5)


def test_saved_network_scores_the_same(network: CTRNetwork, tmp_path: Path) -> None:
    meta = ctr.save(tmp_path / "ctr", network, metrics={"auc": 0.7}, trained_on="a test")
    loaded = CTRScorer.load(tmp_path / "ctr")
    assert loaded.version == meta.version
    assert np.array_equal(loaded.score(_rows(10)), CTRScorer(network, "v").score(_rows(10)))


@pytest.mark.parametrize("config", [{"dim": 4, "hidden": [9]}, {"dim": 5, "hidden": [8]}, {"dim": 4}, {}])
def test_artefact_that_does_not_fit_its_network_is_refused(
    network: CTRNetwork, tmp_path: Path, config: dict[str, object]
) -> None:
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    artefacts.save(
        tmp_path / "ctr",
        kind="ctr",
        schema_version=features.SCHEMA_VERSION,
        tensors=tensors,
        config=config,
        metrics={},
        trained_on="a test",
    )
    with pytest.raises(ArtefactError, match="train it again"):
        CTRScorer.load(tmp_path / "ctr")


def test_missing_artefact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no ctr artefact"):
        CTRScorer.load(tmp_path)
