"""Publishing as a user does it: past the gate, refused with the reason, forced, rolled back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pipelines import publish, published, rollback
from pipelines.ctr_training.fitting import FitOptions
from pipelines.datasets import simulate
from pipelines.train_ctr import train
from rtb.models import artefacts, ctr, features, observation, policy
from rtb.models.artefacts import META, WEIGHTS
from rtb.models.policy import Policy
from rtb.models.scores import CLICK
from simulation import reference


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path / "var"))
    return tmp_path / "var"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two CTR models, one that learned and one that learned the contrary."""
    folder = tmp_path_factory.mktemp("models")
    data = simulate(reference.market(), reference.campaigns(), 12_000, 1, lambda _: None)
    network = train(data, FitOptions(), "platt").network
    ctr.save(folder / "good", network, metrics={}, trained_on="a test")
    network.bias.data[CLICK] += 3.0
    ctr.save(folder / "bad", network, metrics={}, trained_on="a test, and far too sure of clicks")
    return folder


def run(verb: Any, *arguments: object, code: int = 0) -> Any:
    """Return the last line as JSON or, with a code, the one line on standard error."""
    app = typer.Typer()
    app.command()(verb.main)
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    if code:
        (line,) = [line for line in done.stderr.splitlines() if line.startswith(verb.__name__.split(".")[1])]
        return line
    return json.loads(done.stdout.splitlines()[-1])


def publish_ctr(folder: Path, *arguments: object, code: int = 0) -> Any:
    return run(publish, folder, "--kind", "ctr", "--impressions", 8_000, *arguments, code=code)


def save_policy(folder: Path, multiplier: float, **changes: Any) -> Path:
    """One that always multiplies by this."""
    layer = np.full((1, observation.OBSERVATION_SIZE), multiplier, np.float32), np.zeros(1, np.float32)
    always = Policy((layer,), "tanh", "levels", np.array([multiplier]), "")
    policy.save(folder, always, metrics={}, trained_on="nothing", **changes)
    return folder


def test_what_is_worse_is_refused_and_forced_and_rolled_back(models: Path) -> None:
    good = publish_ctr(models / "good")
    assert (good["action"], good["before"], good["champion"]) == ("published", None, "untrained")
    assert "already serves" in publish_ctr(models / "good", code=1)
    refused = publish_ctr(models / "bad", code=1)
    assert f"worse than {good['version']} on" in refused
    assert "log loss" in refused
    assert run(published)["ctr"] == good["version"]
    forced = publish_ctr(models / "bad", "--force", "to see it fail")
    assert (forced["action"], forced["reason"], forced["before"]) == ("forced", "to see it fail", good["version"])
    assert run(published)["ctr"] == forced["version"]
    assert run(rollback, "--kind", "ctr") == {"kind": "ctr", "version": good["version"], "before": forced["version"]}
    assert run(published) == {"ctr": good["version"], "policy": None}
    assert "is the first" in run(rollback, "--kind", "ctr", code=1)


def test_what_served_before_anything_was_published_can_be_gone_back_to(models: Path, var: Path) -> None:
    served = artefacts.read_meta(models / "bad")
    (var / "models").mkdir(parents=True)
    (models / "bad").rename(var / "models" / "ctr")
    try:
        told = publish_ctr(models / "good")
        assert (told["champion"], told["before"]) == (served.version, served.version)
        assert run(rollback, "--kind", "ctr")["version"] == served.version
    finally:
        (var / "models" / "ctr").rename(models / "bad")


def test_a_policy_that_hardly_bids_is_refused(tmp_path: Path) -> None:
    timid = save_policy(tmp_path / "timid", observation.MULTIPLIER_LOW)
    assert "worse than neutral on 512 held-out episodes: value share" in run(publish, timid, "--kind", "policy", code=1)
    assert run(published)["policy"] is None


def _truncate(folder: Path) -> None:
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights[:-4])


def _other_fields(folder: Path) -> None:
    _edit(folder, lambda meta: meta["config"].update(fields=["inventory", "weather"]))


def _other_schema(folder: Path) -> None:
    _edit(folder, lambda meta: meta.update(schema_version="features-0"))


def _no_meta(folder: Path) -> None:
    (folder / META).unlink()


def _no_numbers(folder: Path) -> None:
    artefact = artefacts.load(folder, kind="ctr", schema_version=features.SCHEMA_VERSION)
    tensors = {name: np.full_like(value, np.nan) for name, value in artefact.tensors.items()}
    artefacts.save(
        folder,
        kind="ctr",
        schema_version=features.SCHEMA_VERSION,
        tensors=tensors,
        config=artefact.meta.config,
        metrics={},
        trained_on="a test",
    )


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    meta = json.loads((folder / META).read_text())
    change(meta)
    (folder / META).write_text(json.dumps(meta))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_truncate, "does not match its checksum"),
        (_other_fields, "was trained on the fields inventory, weather"),
        (_other_schema, "inputs of version features-0"),
        (_no_meta, "no ctr artefact in"),
        (_no_numbers, "not finite"),
    ],
)
def test_what_does_not_fit_is_refused_even_by_force(
    models: Path, tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    candidate = tmp_path / "candidate"
    candidate.mkdir()
    for name in (META, WEIGHTS):
        (candidate / name).write_bytes((models / "good" / name).read_bytes())
    spoil(candidate)
    assert says in publish_ctr(candidate, "--force", "whatever", code=1)
    assert run(published)["ctr"] is None


def test_another_kind_and_another_observation_are_named(models: Path, tmp_path: Path) -> None:
    assert "holds a ctr model, not a policy" in run(publish, models / "good", "--kind", "policy", code=1)
    other = save_policy(tmp_path / "other", 1.0)
    _edit(other, lambda meta: meta["config"].update(observation=["moon"]))
    assert "was trained on the observation moon" in run(publish, other, "--kind", "policy", code=1)


def test_without_events_or_clicks_it_says_what_is_missing(models: Path, tmp_path: Path) -> None:
    assert "there is no folder" in publish_ctr(models / "good", "--events", tmp_path / "none", code=1)
    few = run(publish, models / "good", "--kind", "ctr", "--impressions", 1_000, code=1)
    assert "cannot distinguish models" in few
    forced = run(publish, models / "good", "--kind", "ctr", "--impressions", 1_000, "--force", "a first one")
    assert (forced["action"], forced["before"]) == ("forced", None)
