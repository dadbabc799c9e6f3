"""What pages name exists: links, paths and Python names of the repository, targets of `make`, commands of `raybid`.

Links between the pages of `docs/` are the strict build's to check.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

import pytest
import typer

from raybid.cli.main import app
from raybid.local.environment import ROOT

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / name / "README.md" for name in ("benchmarks", "dashboards", "examples")),
    ]
)
OTHERS = ("ray", "mkdocs", "locust", "venv")
"""Modules of libraries, which pages run as well."""
ROOMS = "|".join(["docs", "models", *(path.parent.name for path in ROOT.glob("*/__init__.py"))])
MADE = ("cluster/secrets", "benchmarks/requests.jsonl")
"""Paths that a command makes and git ignores."""
SETTINGS_FILES = {"cluster.env"}
"""Files that look like Python names."""


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code(page: Path) -> str:
    """Return what is in code blocks and between backticks."""
    text = page.read_text()
    fenced = re.findall(r"^ *```.*?^ *```", text, re.M | re.S)
    return "\n".join(fenced + re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)))


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "docs"], ids=named)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    generated = {"reference/api.md", "reference/cli.md"}
    gone = [
        link
        for link in links
        if not link.startswith(("http:", "https:"))
        and not (page.parent / link).exists()
        and link.removeprefix("../") not in generated
    ]
    assert not gone


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_is_run_exists(page: Path) -> None:
    said = code(page)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make ([a-z-]+)", said, re.M)) <= targets
    modules = {name for name in re.findall(r"python -m ([a-z_.]+)", said) if not name.startswith(OTHERS)}
    assert {name for name in modules if find_spec(name.rstrip(".")) is None} == set()
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"^(?:\.venv/bin/)?raybid ([a-z]+)", said, re.M)) <= commands


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=named)
def test_paths_and_python_names_exist(page: Path) -> None:
    said = code(page)
    paths = {path.rstrip("./") for path in re.findall(rf"(?<![\w/.<-])(?:{ROOMS})/[\w./*-]+", said)}
    assert {path for path in paths if not path.startswith(MADE) and not any(ROOT.glob(path))} == set()
    names = set(re.findall(rf"(?<![\w/.-])(?:{ROOMS})(?:\.[A-Za-z_]\w*)+(?![\w/])", said))
    assert {name for name in names - SETTINGS_FILES if not _resolves(name)} == set()


def _resolves(name: str) -> bool:
    try:
        return resolve_name(name) is not None
    except (ImportError, AttributeError):
        return False


def test_the_pages_are_all_there() -> None:
    assert len(PAGES) >= 40
    assert {"README.md", "docs/quickstart.md", "examples/README.md"} <= {named(page) for page in PAGES}
