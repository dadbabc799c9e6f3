"""Validation against a CustomResourceDefinition in an API server's order: defaults, structure, then CEL rules."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cel
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from cluster.manifests.faults import Missing, Object, dotted

Schema = dict[str, Any]
Reason = tuple[str, str]
"""Path within an object, and what is wrong there."""


def find_crds(root: Path) -> Path:
    """Return the folder of KubeRay's CRDs: `CRDS`, else next to the checkout.

    Raises:
        Missing: neither has any.
    """
    given = os.environ.get("CRDS")
    folder = Path(given) if given else root.parent / "shared" / "data" / "kuberay-crds"
    if not any(folder.glob("*.yaml")):
        raise Missing(
            f"no CRDs of KubeRay in {folder}: set CRDS=DIR to their folder; they are the files in "
            "ray-operator/config/crd/bases in KubeRay's repository, at your operator's release"
        )
    return folder


class Crds:
    """A cache of custom resources' schemas by API version and kind.

    Args:
        folder: folder of files with one CustomResourceDefinition each, named as by KubeRay.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def schema(self, body: Object) -> Schema | None:
        """Return the schema of an object's kind; None if these CRDs do not have it."""
        group, _, version = str(body.get("apiVersion", "")).rpartition("/")
        return _schemas(self._folder, group, str(body.get("kind", ""))).get(version)

    def reasons(self, body: Object) -> list[Reason]:
        """Return everything wrong with an object whose kind these CRDs have."""
        schema = self.schema(body)
        if schema is None:
            return [("", "no CRD has this kind")]
        whole = copy.deepcopy(body)
        fill(whole, schema)
        return structural(whole, schema) or list(broken_rules(whole, schema))


def fill(value: Any, schema: Schema) -> None:
    """Fill in a schema's defaults where a value omits something, in place."""
    if isinstance(value, dict):
        for name, one in schema.get("properties", {}).items():
            if name not in value and "default" in one:
                value[name] = copy.deepcopy(one["default"])
        for name, child in value.items():
            fill(child, _child(schema, name))
    elif isinstance(value, list):
        for child in value:
            fill(child, schema.get("items", {}))


def structural(value: Any, schema: Schema) -> list[Reason]:
    """Return what a CRD's schema refuses, including unknown fields, which an API server would drop."""
    validator = Draft202012Validator(_strict(schema, is_root=True))
    return [
        (dotted(one.absolute_path), one.message[:300])
        for found in validator.iter_errors(value)
        for one in _deepest(found)
    ]


def broken_rules(value: Any, schema: Schema, path: tuple[str | int, ...] = ()) -> Iterator[Reason]:
    """Yield violated CEL rules. Rules about a change (`oldSelf`) do not apply to a new object."""
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" in rule["rule"]:
            continue
        try:
            holds = cel.evaluate(rule["rule"], {"self": value})
        except (ValueError, TypeError, LookupError, RuntimeError) as error:
            yield dotted(path), f"the rule {rule['rule']} cannot be evaluated: {error}"
            continue
        if holds is not True:
            yield dotted(path), rule.get("message") or f"violates the rule {rule['rule']}"
    if isinstance(value, dict):
        for name, child in value.items():
            yield from broken_rules(child, _child(schema, name), (*path, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from broken_rules(child, schema.get("items", {}), (*path, index))


@cache
def _schemas(folder: Path, group: str, kind: str) -> dict[str, Schema]:
    """Return the schemas of a kind by version. Files are found by name: reading all takes a second each."""
    for path in folder.glob(f"{group}_{kind.lower()}s.yaml"):
        found = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        if found["spec"]["names"]["kind"] == kind:
            versions = [one for one in found["spec"]["versions"] if one["served"]]
            return {one["name"]: one["schema"]["openAPIV3Schema"] for one in versions}
    return {}


def _child(schema: Schema, name: str) -> Schema:
    """Return the schema of a field, empty if unspecified."""
    properties = schema.get("properties", {})
    if name in properties:
        return dict(properties[name])
    rest = schema.get("additionalProperties")
    return rest if isinstance(rest, dict) else {}


def _strict(schema: Schema, *, is_root: bool = False) -> Schema:
    """Convert a structural schema to a JSON Schema that refuses unknown fields."""
    if schema.get("x-kubernetes-int-or-string"):
        rest = {key: value for key, value in schema.items() if key in ("pattern", "enum", "maxLength")}
        return rest | {"type": ["integer", "string"]}
    strict = {key: value for key, value in schema.items() if not key.startswith("x-") and key != "default"}
    if strict.pop("nullable", False) and "type" in strict:
        strict["type"] = [strict["type"], "null"]
    if "properties" in strict:
        strict["properties"] = {name: _strict(one) for name, one in strict["properties"].items()}
        if is_root:  # every object has these, whatever its schema says
            strict["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {}}
    if isinstance(strict.get("additionalProperties"), dict):
        strict["additionalProperties"] = _strict(strict["additionalProperties"])
    if "items" in strict:
        strict["items"] = _strict(strict["items"])
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if strict.get("type") == "object" and not is_open:
        strict["additionalProperties"] = False
    return strict


def _deepest(error: ValidationError) -> list[ValidationError]:
    """Return the causes of an error about alternatives, else the error itself."""
    return [one for found in error.context for one in _deepest(found)] if error.context else [error]
