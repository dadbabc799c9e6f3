"""References between the objects of one build."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cluster.manifests.faults import ManifestFault, Object, called, dotted

_OF_CLUSTER = ("kube-root-ca.crt",)
"""ConfigMaps that exist in every namespace."""

_TWICE = "is there twice; the later one would replace the other"


def check(place: str, objects: Sequence[Object]) -> list[ManifestFault]:
    """Report ConfigMaps that are referenced but not built, and objects that are built twice.

    The usual reason is a name without its hash: environment/references.yaml lacks the field.
    """
    there = {one["metadata"]["name"] for one in objects if one.get("kind") == "ConfigMap" and "metadata" in one}
    faults = []
    for body in objects:
        for path, name in _named(body, ()):
            if name not in there and name not in _OF_CLUSTER:
                faults.append(
                    ManifestFault(place, called(body), dotted(path), f"ConfigMap {name} is not in this build")
                )
    seen: set[tuple[str, str]] = set()
    for body in objects:
        key = (str(body.get("apiVersion")), called(body))
        if key in seen:
            faults.append(ManifestFault(place, called(body), "", _TWICE))
        seen.add(key)
    return faults


def _named(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, dict):
        for key, child in value.items():
            is_reference = key in ("configMapRef", "configMapKeyRef", "configMap") and isinstance(child, dict)
            if is_reference and isinstance(child.get("name"), str) and not child.get("optional"):
                yield (*path, key, "name"), child["name"]
            yield from _named(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _named(child, (*path, index))
