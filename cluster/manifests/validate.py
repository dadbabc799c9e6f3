"""Validation of one object as by its consumers: an API server, and the operator that it is for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator

from cluster.manifests import operator, serving
from cluster.manifests.crds import Crds, Reason
from cluster.manifests.faults import ManifestFault, Missing, Object, called, dotted

KUBERNETES = "1.34"
"""Version of the schemas; the minimum in docs/deploy.md predates all removals in this version."""

_OURS = Path(__file__).with_name("schemas")
_OTHERS = ("monitoring.coreos.com/", "gateway.networking.k8s.io/")


def check(place: str, body: Object, crds: Crds) -> list[ManifestFault]:
    """Return everything wrong with an object."""
    return [ManifestFault(place, called(body), path, reason) for path, reason in _reasons(body, crds)]


def _reasons(body: Object, crds: Crds) -> Iterator[Reason]:
    version, kind = body.get("apiVersion"), body.get("kind")
    if not (isinstance(version, str) and isinstance(kind, str)):
        yield "", "has no apiVersion or no kind"
    elif not isinstance(body.get("metadata"), dict) or not body["metadata"].get("name"):
        yield "metadata.name", "an object needs a name"
    elif version.startswith("ray.io/"):
        found = crds.reasons(body)
        yield from found
        if not found:  # the remaining checks rely on the structure
            yield from operator.reasons(body)
            if kind == "RayService":
                yield from serving.reasons(body)
    elif version.startswith(_OTHERS):
        yield from _of_others(body)
    else:
        yield from _core(body)


def _core(body: Object) -> Iterator[Reason]:
    """Check against the schemas of Kubernetes, without unknown fields."""
    try:
        kubernetes_validate.validate(body, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield dotted(error.path), error.message[:300]
    except kubernetes_validate.SchemaNotFoundError:
        yield "", f"unknown kind {body['kind']} of {body['apiVersion']}"
    except kubernetes_validate.VersionNotSupportedError as error:
        raise Missing(f"kubernetes-validate has no schemas of Kubernetes {KUBERNETES}: `make install`") from error


def _of_others(body: Object) -> Iterator[Reason]:
    """Check against our schemas of what other operators read: the fields we use, and no others."""
    schema = _schema(body["apiVersion"], body["kind"])
    if schema is None:
        yield "", f"cluster/manifests/schemas has no {body['kind']} of {body['apiVersion']}"
        return
    for error in Draft202012Validator(json.loads(schema)).iter_errors(body):
        yield dotted(error.absolute_path), error.message[:300]


@cache
def _schema(version: str, kind: str) -> str | None:
    """Return the schema of a kind as JSON, which is cacheable."""
    path = _OURS / f"{version.replace('/', '_')}_{kind}.yaml"
    return json.dumps(yaml.safe_load(path.read_text())) if path.exists() else None
