"""The check of every replica on a cluster of several hosts: that its host has what they must have in common."""

from __future__ import annotations

import os
from typing import Any

import ray
from ray.serve.context import _get_global_client

from deployments.wiring import logger
from rtb.runtime.settings import Settings
from rtb.runtime.several_hosts import faults, ray_token
from rtb.store import cluster_record

_HEAD = "node:__internal_head__"
"""Resource by which Ray marks the node of the head."""


class HostsDiffer(RuntimeError):
    """Settings that hold on one host alone, on a cluster of several; the message says what to set."""


def check_hosts(settings: Settings) -> None:
    """Check that this replica may run on its cluster; one of a single host, or none, asks for nothing.

    Raises:
        HostsDiffer: there are several hosts, and these settings hold on one alone or are not those of the head.
    """
    nodes = _alive_nodes()
    if len({node["NodeManagerAddress"] for node in nodes}) < 2:
        return
    found = faults(settings, os.environ, [_get_global_client().http_config.host or ""])
    found = found or _unlike_the_head(settings, nodes)
    if found:
        raise HostsDiffer("; ".join(found))


def _alive_nodes() -> list[dict[str, Any]]:
    if not ray.is_initialized():
        return []
    return [node for node in ray.nodes() if node["Alive"]]


def _unlike_the_head(settings: Settings, nodes: list[dict[str, Any]]) -> list[str]:
    """Return in what this host differs from the head; nothing while the store or the head is away: bidding goes on."""
    heads = [node["NodeManagerAddress"] for node in nodes if _HEAD in node["Resources"]]
    try:
        return [line for head in heads for line in cluster_record.differences(settings, ray_token(os.environ), head)]
    except OSError as error:
        logger.warning(f"this host is not compared with the head: {error}")
        return []
