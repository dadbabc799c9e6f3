"""The API reference, from the OpenAPI document that the platform serves."""

from __future__ import annotations

import inspect
import json
import re
from collections import defaultdict
from typing import Any
from unittest.mock import MagicMock

from deployments.api.app import described
from deployments.bootstrap.router import Stores, api_routers
from handbook.cells import cell
from rtb.runtime.settings import Settings

_LEAD = """# API

Generated from the OpenAPI document of the platform, which serves it at `/openapi.json`, and to try out at `/docs`.
Money is in micro-units, prices are CPM. Errors are answered with a problem document (RFC 9457).
"""


def document() -> dict[str, Any]:
    """Return the OpenAPI document without a platform: describing calls needs its settings only."""
    none: Any = MagicMock()
    stores = Stores(Settings(), none, none, none, none, none)
    return described(api_routers(stores, none, none, none)).openapi()


def page(openapi: dict[str, Any]) -> str:
    """Return the document as Markdown: calls by subject, then the schemas."""
    subjects: dict[str, list[str]] = defaultdict(list)
    for path, calls in openapi["paths"].items():
        for method, call in calls.items():
            subjects[call.get("tags", ["other"])[0]].append(_call(method.upper(), path, call))
    parts = [_LEAD, *(f"## {name.capitalize()}\n\n" + "\n".join(told) for name, told in subjects.items())]
    schemas = openapi["components"]["schemas"]
    parts += ["## Bodies", *(_schema(name, schemas[name]) for name in sorted(schemas))]
    return "\n\n".join(parts) + "\n"


def _call(method: str, path: str, call: dict[str, Any]) -> str:
    lines = [f"### {method} {path}", "", f"{call.get('summary', '')}.", ""]
    if description := call.get("description", ""):
        lines += [cell(description), ""]
    if parameters := call.get("parameters"):
        lines += ["| parameter | in | what |", "|---|---|---|"]
        lines += [f"| `{one['name']}` | {one['in']} | {_parameter(one)} |" for one in parameters]
        lines.append("")
    for kind, body in call.get("requestBody", {}).get("content", {}).items():
        lines += [f"Takes {_type(body.get('schema', {}))} as `{kind}`:", ""]
        if "example" in body:
            lines += ["```json", json.dumps(body["example"], indent=2), "```", ""]
    lines += ["| answer | what | body |", "|---|---|---|"]
    for status, told in call["responses"].items():
        lines.append(f"| {status} | {cell(told['description'])} | {_bodies(told)} |")
    return "\n".join(lines) + "\n"


def _parameter(one: dict[str, Any]) -> str:
    schema = one.get("schema", {})
    default = f"; default `{json.dumps(schema['default'])}`" if schema.get("default") not in (None, "") else ""
    needed = ", needed" if one.get("required") else ""
    described = one.get("description") or schema.get("description") or ""
    return f"{_type(schema)}{needed}{cell(default)}{'. ' + cell(described) if described else ''}"


def _bodies(told: dict[str, Any]) -> str:
    return ", ".join(_type(body.get("schema", {})) for body in told.get("content", {}).values()) or "none"


def _schema(name: str, schema: dict[str, Any]) -> str:
    lead, fields = _attributes(schema.get("description", ""))
    lines = [f"### {name}", "", *([lead, ""] if lead else [])]
    properties = schema.get("properties", {})
    if not properties:
        return "\n".join([*lines, f"{_type(schema).capitalize()}."])
    lines += ["| field | type | meaning |", "|---|---|---|"]
    needed = schema.get("required", ())
    for field, told in properties.items():
        mark = " *" if field in needed else ""
        meaning = fields.get(field) or told.get("description", "")
        lines.append(f"| `{field}`{mark} | {_type(told)} | {cell(meaning)} |".replace("\n", " "))
    return "\n".join([*lines, "", *(["\\* required"] if needed else [])])


def _attributes(description: str) -> tuple[str, dict[str, str]]:
    """Split a Google-style docstring into the text before its attributes, and the attributes."""
    lead, _, rest = inspect.cleandoc(description).partition("Attributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc("\n" + rest).splitlines():
        matched = re.match(r"(\w+): (.*)", line)
        if matched:
            name, found[matched[1]] = matched[1], matched[2]
        elif name and line.strip():
            found[name] += " " + line.strip()
    return cell(lead), found


def _type(schema: dict[str, Any]) -> str:  # noqa: PLR0911 - a case each
    """Describe a schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if alternatives := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(dict.fromkeys(_type(one) for one in alternatives))
    if "enum" in schema:
        return " or ".join(f"`{value}`" if value != "" else "empty" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        parts = schema.get("prefixItems") or [schema.get("items") or {}]
        return f"list of {' and '.join(_type(one) for one in parts)}"
    return str(kind)
