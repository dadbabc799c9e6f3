"""The site of `docs/`: it builds strictly, its references name everything, its drawings and figures are current."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from handbook import api_reference, cli_reference
from raybid.cli.main import app
from raybid.local.environment import ROOT
from tests.support import require_package

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class _Loaded(HTMLParser):
    """What a page loads: scripts, styles, pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        loads = tag in ("script", "img") or (
            tag == "link" and named.get("rel") in ("stylesheet", "preload", "preconnect")
        )
        source = named.get("src") or named.get("href")
        if loads and source:
            self.sources.append(source)


def test_every_page_is_there_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = [path for path in site.rglob("*.html") if path.name != "404.html"]
    assert len(pages) >= len(list(DOCS.rglob("*.md"))) + 2  # and the two references
    for page in pages:
        loaded = _Loaded()
        loaded.feed(page.read_text())
        assert not [source for source in loaded.sources if source.startswith(("http:", "https:", "//"))], page
        for source in loaded.sources:
            assert (page.parent / source.partition("?")[0]).exists(), (page, source)


def test_the_reference_of_the_api_names_every_call(site: Path) -> None:
    shown = (site / "reference" / "api" / "index.html").read_text()
    paths = api_reference.document()["paths"]
    assert "/explain/{bid_id}" in paths
    assert all(path in shown for path in paths)


def test_the_reference_of_the_command_line_names_every_command() -> None:
    shown = cli_reference.page()
    commands = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert {"up", "down", "status", "token", "bid", "explain", "forget"} == set(commands)
    for name in (*commands, "campaign create", "train ctr", "train policy", "backtest", "publish", "replay"):
        assert f"raybid {name}" in shown, name


@pytest.mark.parametrize("name", ["api", "cli"])
def test_no_sign_of_markup_is_left_in_a_reference(site: Path, name: str) -> None:
    shown = (site / "reference" / name / "index.html").read_text()
    assert "&amp;lt;" not in shown  # escaped twice
    assert "\\|" not in shown
    assert "``" not in shown
    assert "--graph <composed|colocated>" in unescape(shown) or name == "api"


@pytest.mark.parametrize("source", sorted((DOCS / "images").glob("*.dot")), ids=lambda path: path.stem)
def test_drawings_show_what_their_sources_say(source: Path) -> None:
    require_package(shutil.which("dot") is not None, "graphviz")
    drawn = subprocess.run(["dot", "-Tsvg", source], capture_output=True, text=True, check=True).stdout
    kept = source.with_suffix(".svg").read_text()
    words = re.compile(r">([^<\n]+)</text>")  # places depend on the fonts of the machine
    assert sorted(words.findall(kept)) == sorted(words.findall(drawn)) != [], "draw them again: make drawings"


def figures(page: str, row: str) -> list[float]:
    """Return the numbers in a row of a table of a page."""
    line = next(line for line in (DOCS / page).read_text().splitlines() if line.startswith(f"| {row}"))
    cells = line.split("|")[2:-1]
    return [float(number.replace(",", "")) for cell in cells for number in re.findall(r"\d[\d,]*\.?\d*", cell)]


def test_what_it_costs_follows_from_what_was_measured() -> None:
    rates = figures("results.md", "with notices, requests a second")
    assert [
        figures("cost.md", f"requests a second with notices, {graph}")[0] for graph in ("composed", "colocated")
    ] == rates
    hour = figures("cost.md", "price of a machine")[0]
    for graph, rate in zip(("composed", "colocated"), rates, strict=True):
        full = hour / (rate * 3_600) * 1e6
        assert figures("cost.md", f"{graph} |") == pytest.approx([full, 2 * full], abs=0.0006)
    for rate in (1_000, 10_000, 50_000):
        (_, machines, month) = figures("cost.md", f"{rate:,} |")
        assert machines == -(-rate // (rates[1] / 2))
        assert month == pytest.approx(machines * hour * 720)


def numbers(text: str) -> set[float]:
    """All of them."""
    return {float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d(?:\.\d+)?|\d(?:\.\d+)?", text)}


def test_figures_of_speed_are_those_of_the_benchmarks() -> None:
    known = numbers((ROOT / "benchmarks" / "README.md").read_text())
    speed = (DOCS / "results.md").read_text().partition("## Speed")[2].partition("\n## ")[0]
    rows = [line.split("|")[2:4] for line in speed.splitlines() if line.startswith("| ")]
    told = numbers(" ".join(cell for cells in rows for cell in cells))
    assert len(told) >= 20
    assert told - known <= {0.0}, "in docs/results.md, and not in benchmarks/README.md"  # 0: none failed


def test_what_the_ledger_is_enough_for_follows_from_what_was_measured() -> None:
    told = (DOCS / "cost.md").read_text()
    (settlements,) = figures("results.md", "settlements a second")[:1]
    assert f"{settlements:,.0f} settlements a second" in told
    (share,) = re.findall(r"of which (\d+)% win", told)
    (enough,) = re.findall(r"about\s+([\d,]+) requests a second", told)
    assert 0 <= settlements / (int(share) / 100) - float(enough.replace(",", "")) < 1_000
