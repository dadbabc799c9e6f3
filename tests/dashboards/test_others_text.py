"""What somebody else wrote is shown as text by the console, and downloads as text."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from streamlit.testing.v1 import AppTest

from dashboards.console.__main__ import APP, options
from dashboards.console.view import quoted, to_csv
from tests.dashboards.fake_platform import KEY, FakePlatform, serving
from tests.dashboards.made_events import few

MARKUP = [
    "![](https://evil.example/seen.png)",
    "[pay](https://evil.example)",
    "https://evil.example",
    "www.evil.example",
    "<img src=https://evil.example/x>",
    "`` ` ``` ![](https://evil.example/x)",
    ":red[paid]",
    "$$x$$",
    "**bold** _it_",
    "a\n\n# heading",
]


def code_alone(text: str) -> bool:
    """Whether Markdown makes nothing of it but one paragraph, of text or code."""
    html = MarkdownIt("commonmark").render(text)
    return re.fullmatch(r"(?:<p>[^<]*(?:<code>[^<]*</code>)?[^<]*</p>)?\n?", html) is not None


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_shown_as_code(text: str) -> None:
    assert not code_alone(text) or "evil" in text or "$" in text or ":" in text
    assert quoted(text).startswith("`")
    assert code_alone(quoted(text))


@given(st.text(alphabet=st.characters() | st.sampled_from("`*_[]()<>!:$\\#&~|\n")))
def test_nothing_becomes_markup_inside_a_sentence(text: str) -> None:
    assert code_alone(f"Bid {quoted(text)} is unavailable")


@pytest.mark.parametrize("text", ["1,234", "25.00%", "c1 is paused", "2.0 ms", "-"])
def test_figures_are_shown_as_they_are(text: str) -> None:
    assert quoted(text) == text


def test_a_download_has_no_formulas_in_cells_columns_or_rows() -> None:
    table = pd.DataFrame({"=cmd": ["@SUM(A1)", "spring"], "n": [-1, 2]}, index=["+x", "y"])
    rows = list(csv.reader(io.StringIO(to_csv(table).decode())))
    assert rows == [["", "'=cmd", "n"], ["'+x", "'@SUM(A1)", "-1"], ["y", "spring", "2"]]
    assert options("127.0.0.1", 1)["client.disableDataExport"] is True  # Streamlit's own download would have them


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePlatform]:
    with serving(FakePlatform()) as running:
        monkeypatch.setenv("RAYBID_URL", running.url)
        monkeypatch.setenv("RAYBID_KEY", KEY)
        monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path))
        few(time.time() - 30).write(tmp_path / "events")
        yield running


def opened(**asked: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in asked.items():
        app.query_params[name] = value
    return app.run()


def said(app: AppTest) -> list[str]:
    kinds = ("error", "warning", "info", "success", "caption", "markdown")
    return [str(getattr(one, "value", "")) for kind in kinds for one in app.get(kind)]


def test_a_link_to_the_console_puts_neither_markup_nor_another_call_into_it(platform: FakePlatform) -> None:
    evil = "../admin/keys?x=![](https://evil.example/seen.png)"
    app = opened(tab="Auctions", bid=evil)
    assert not app.exception
    shown = [text for text in said(app) if "evil.example" in text]
    assert shown
    assert [text for text in shown if "evil.example" in re.sub(r"`[^`]*`", "", text)] == []
    assert not [one for one in platform.told if "admin" in one.path]


def test_what_the_platform_answers_is_no_markup(platform: FakePlatform) -> None:
    platform.answers["/health"] = (500, {"detail": MARKUP[0]})
    texts = [text for text in said(opened(tab="Overview")) if "evil.example" in text]
    assert texts and all(code_alone(text) for text in texts)
