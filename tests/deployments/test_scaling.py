"""Routers scale by the requests that they say they hold."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ray.serve.config import AutoscalingConfig

from deployments.router import Router
from deployments.scaling import HELD, by_batches, by_requests_held

ROOT = Path(__file__).resolve().parents[2]


def config() -> AutoscalingConfig:
    """Return the autoscaling configuration of the Router as deployed."""
    told = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    (router,) = [item for item in told["applications"][0]["deployments"] if item["name"] == "Router"]
    return AutoscalingConfig(**router["autoscaling_config"])


def context(metrics: Any) -> Any:
    return SimpleNamespace(aggregated_metrics=metrics, config=config(), deployment_name="Router")


def test_serve_config_names_it() -> None:
    named = config().policy.policy_function
    module, _, name = named.partition(":") if ":" in named else named.rpartition(".")
    assert getattr(importlib.import_module(module), name) is by_requests_held


@pytest.mark.parametrize(
    ("held", "replicas"),
    [({"a": 64.0}, 1.0), ({"a": 96.0, "b": 96.0}, 3.0), ({"a": 0.0}, 0.0), ({}, 0.0)],
)
def test_replicas_are_requests_by_the_target(held: dict[str, float], replicas: float) -> None:
    assert by_requests_held(context({HELD: held})) == (replicas, {})


@pytest.mark.parametrize("nothing", [None, {}, {"other": {"a": 5.0}}])
def test_a_router_that_has_not_told_yet_holds_nothing(nothing: Any) -> None:
    assert by_requests_held(context(nothing)) == (0.0, {})


def test_a_router_tells_what_it_holds() -> None:
    router = SimpleNamespace(parts=SimpleNamespace(front=SimpleNamespace(held=7)))
    assert asyncio.run(Router.record_autoscaling_stats(router)) == {HELD: 7.0}  # type: ignore[arg-type]


def test_models_scale_by_the_batches_that_serve_counts() -> None:
    told = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    models = [item for item in told["applications"][0]["deployments"] if item["name"] in ("CTRModel", "RLBidder")]
    for model in models:
        scaling = AutoscalingConfig(**model["autoscaling_config"])
        assert scaling.policy.policy_function == "deployments.scaling:by_batches"
        busy = SimpleNamespace(
            config=scaling, deployment_name=model["name"], current_num_replicas=2, target_num_replicas=2,
            total_num_requests=6.0, policy_state={},
        )  # fmt: skip
        assert by_batches(busy)[0] == pytest.approx(4.0)
