"""Building of kustomize folders into objects."""

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
"""Folders under cluster/kuberay that can be built on their own."""

_SECONDS = 60.0


def find_kubectl() -> str:
    """Return the path of kubectl: `KUBECTL`, else the one in this environment, else the one on the PATH.

    Raises:
        Missing: there is none.
    """
    beside = Path(sys.executable).with_name("kubectl")
    found = os.environ.get("KUBECTL") or (str(beside) if beside.exists() else shutil.which("kubectl"))
    if not found:
        raise Missing("no kubectl: `make install` installs one, or set KUBECTL=PATH")
    return found


def build(folder: Path) -> list[Object]:
    """Build the objects of a kustomization.

    Raises:
        ValueError: kustomize fails; the message has its output.
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
    """Parse the objects in YAML.

    Raises:
        ValueError: it is not YAML, or has documents that are not objects.
    """
    try:
        found = [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one is not None]
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error
    if not all(isinstance(one, dict) for one in found):
        raise ValueError("a document is not an object")
    return found
