"""Folders of kustomize into objects."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from cluster.manifests.faults import Missing, Object

BUILT = (
    "overlays/local",
    "overlays/production",
    "overlays/upgrade",
    "train",
    "checks/retrain-on-ray",
)
"""Folders under cluster/kuberay that are complete by themselves."""

_SECONDS = 60.0


def find_kubectl() -> str:
    """Path of kubectl: `KUBECTL`, else the one of this environment, else the one on the path.

    Raises:
        Missing: there is none.
    """
    beside = Path(sys.executable).with_name("kubectl")
    found = os.environ.get("KUBECTL") or (str(beside) if beside.exists() else shutil.which("kubectl"))
    if not found:
        raise Missing("no kubectl: `make install` brings one, or name yours with KUBECTL=PATH")
    return found


def build(folder: Path) -> list[Object]:
    """The objects of a kustomization.

    Raises:
        ValueError: kustomize refuses it, with what it said.
        Missing: there is no kubectl.
    """
    command = [find_kubectl(), "kustomize", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"kustomize took longer than {_SECONDS:.0f} s: does it wait for something remote?") from error
    if done.returncode:
        raise ValueError(" ".join(done.stderr.split()))
    return read(done.stdout)


def read(text: str) -> list[Object]:
    """The objects in YAML.

    Raises:
        ValueError: it is no YAML, or has documents that are no objects.
    """
    try:
        found = [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one is not None]
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML: {error}") from error
    if not all(isinstance(one, dict) for one in found):
        raise ValueError("a document is no object")
    return found
