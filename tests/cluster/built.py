"""The objects of the manifests, built once a run, and the parts of them that tests look at."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

from cluster.manifests import build
from cluster.manifests.faults import Missing, Object
from tests.support import require

ROOT = Path(__file__).parents[2]
KUBERAY = ROOT / "cluster" / "kuberay"
HEAD = "spec.rayClusterConfig.headGroupSpec"
WORKERS = "spec.rayClusterConfig.workerGroupSpecs.0"


@cache
def _built(name: str) -> list[Object]:
    return build.build(KUBERAY / name)


def built(name: str) -> list[Object]:
    try:
        return copy.deepcopy(_built(name))
    except Missing as error:
        require(False, str(error))
        raise


def one(kind: str, overlay: str = "overlays/production", name: str = "") -> Object:
    return next(body for body in built(overlay) if body["kind"] == kind and name in ("", body["metadata"]["name"]))


def at(body: Any, path: str) -> Any:
    for part in path.split("."):
        body = body[int(part) if part.isdigit() else part]
    return body
