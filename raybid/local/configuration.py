"""`serve_config.yaml` as a local platform deploys it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal

import yaml

from raybid.local.environment import ROOT
from rtb.runtime.settings import Settings

Graph = Literal["composed", "colocated"]
Scaling = Mapping[str, float]
"""Fields of Serve's `AutoscalingConfig`."""


def serve_config(
    settings: Settings, graph: Graph, replicas: Mapping[str, int], scaled: Mapping[str, Scaling]
) -> dict[str, Any]:
    """Return `serve_config.yaml` for these ports, this graph, these replicas and this autoscaling."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    config["http_options"]["port"] = settings.http_port
    set_log_format(config, settings)
    (application,) = config["applications"]
    application["args"]["graph"] = graph
    if graph == "colocated":  # the stages have no deployments of their own then
        application["deployments"] = [
            item for item in application["deployments"] if item["name"] in ("Router", "Controller")
        ]
    for item in application["deployments"]:
        item.pop("max_replicas_per_node", None)  # there is one machine, which holds them all
        scaling = item["autoscaling_config"]
        scaling.update(scaled.get(item["name"], {}))
        least = replicas.get(item["name"], scaling["min_replicas"])
        scaling.update(min_replicas=least, initial_replicas=least, max_replicas=max(least, scaling["max_replicas"]))
    return config


def spread(config: dict[str, Any], hosts: int, per_host: int = 1) -> None:
    """Spread the replicas of each stage over hosts.

    With one per host no two of a stage share a host while another has none, whatever dies and comes back, and each host
    keeps the Router that its ingress needs. More per host use larger hosts, without that promise.

    Args:
        config: Serve's configuration, changed in place; on one host it stays as it is.
        hosts: hosts that hold replicas.
        per_host: most replicas of a stage on one host.
    """
    if hosts < 2:
        return
    for item in config["applications"][0]["deployments"]:
        if "max_replicas_per_node" not in item:  # the Controller: there is one
            continue
        scaling = item["autoscaling_config"]
        least = hosts if item["name"] == "Router" else 2
        most = max(least, min(scaling["max_replicas"], hosts * per_host))
        scaling["min_replicas"] = min(max(least, scaling["min_replicas"]), most)
        scaling["initial_replicas"] = min(max(scaling["min_replicas"], scaling.get("initial_replicas", 0)), most)
        scaling["max_replicas"] = most
        item["max_replicas_per_node"] = per_host


def set_log_format(config: dict[str, Any], settings: Settings) -> None:
    """Make Serve and every replica log as the settings say."""
    deployments = [item for application in config["applications"] for item in application["deployments"]]
    for part in (config, *deployments):
        part.setdefault("logging_config", {})["encoding"] = settings.log_format.upper()


def cpus_reserved(config: dict[str, Any], scaled: Collection[str]) -> int:
    """Return how many CPUs the replicas reserve; with fewer, Ray would not start the last one.

    Deployments with autoscaling numbers of their own count with their most replicas, all others with their fewest.
    """
    cpus = 0.0
    for item in config["applications"][0]["deployments"]:
        replicas = item["autoscaling_config"]["max_replicas" if item["name"] in scaled else "min_replicas"]
        cpus += item["ray_actor_options"]["num_cpus"] * replicas
    return math.ceil(cpus)
