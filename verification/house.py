"""Measure the repository: lines, files, attributes, and how long its tests take.

How to run:

    python -m verification.house

What to expect: one JSON object, a measure a line. `quick_seconds` and `test_seconds` are those of the last `make quick`
and `make test` that passed here, null where there was none.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from raybid.local.environment import ROOT

_TESTS = "tests"
_HIDDEN = (".", "build", "dist", "var")
"""How the names of folders begin that nobody wrote: environments, caches, what was built, what a platform wrote."""


def measure(root: Path) -> dict[str, Any]:
    """Return every measure of the repository at `root`.

    Lines are of Python files, blank ones and comments included; what is not in `tests/` is product. `largest_class` is
    the class with the most public attributes.
    """
    files = list(_python(root))
    lines = {path: path.read_text().count("\n") for path in files}
    tests = sum(count for path, count in lines.items() if path.relative_to(root).parts[0] == _TESTS)
    product = [path for path in files if path.relative_to(root).parts[0] != _TESTS]
    attributes = {
        f"{path.relative_to(root)}: {name}": count
        for path in product
        for name, count in public_attributes(path.read_text()).items()
    }
    largest = max(attributes, key=attributes.__getitem__, default="")
    return {
        "product_lines": sum(lines.values()) - tests,
        "test_lines": tests,
        "rtb_root_files": len(list((root / "rtb").glob("*.py"))),
        "largest_class": largest,
        "largest_class_attributes": attributes.get(largest, 0),
        "architecture_lines": (root / "ARCHITECTURE.md").read_text().count("\n"),
        "quick_seconds": _seconds(root, "quick"),
        "test_seconds": _seconds(root, "test"),
    }


def public_attributes(source: str) -> dict[str, int]:
    """Count the public attributes of each class of a module: those that its methods set, and its properties.

    Fields of a record (a dataclass, a struct) are not counted: they are as many as what it describes has.
    """
    return {
        node.name: len(set(_public(node))) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)
    }


def _public(of: ast.ClassDef) -> Iterator[str]:
    for node in ast.walk(of):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()) if not name.startswith("_"):
                yield name
    for node in of.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield from (node.name for mark in node.decorator_list if "property" in ast.unparse(mark))


def _python(root: Path) -> Iterator[Path]:
    for path in root.rglob("*.py"):
        if not path.relative_to(root).parts[0].startswith(_HIDDEN):
            yield path


def _seconds(root: Path, target: str) -> float | None:
    """Return what `make` noted of a target."""
    path = root / "var" / "seconds" / target
    return float(path.read_text()) if path.exists() else None


def main() -> None:
    """Print the measures."""
    typer.echo(json.dumps(measure(ROOT), indent=1))


if __name__ == "__main__":
    typer.run(main)
