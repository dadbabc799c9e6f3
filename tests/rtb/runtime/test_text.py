"""Others' text stays text: in terminals, in spreadsheets, in plots."""

from __future__ import annotations

import unicodedata

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.runtime.text import csv_cell, escaped_figure, visible


@given(st.text())
def test_nothing_hidden_is_left_and_the_rest_is_as_it_was(text: str) -> None:
    shown = visible(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp", "Cn", "Co"}
    assert all(char in "\u200c\u200d" for char in shown if unicodedata.category(char) == "Cf")
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\u202eb", "a\\u202eb"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x9b2J", "\\x9b2J"),
        ("\ufeff\u200b", "\\ufeff\\u200b"),
        ("Grüße 👩\u200d🔬 [/b]", "Grüße 👩\u200d🔬 [/b]"),
    ],
)
def test_commands_to_the_terminal_are_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_no_text_that_is_not_a_number_begins_as_a_formula(text: str) -> None:
    written = csv_cell(text)
    assert written in (text, f"'{text}")
    if written == text and text.lstrip(" ")[:1] in tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"):
        assert not text.strip() or float(text) is not None


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1+1"]
)
def test_formulas_are_disarmed(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1, -1.5, "-1.5", "+3e4", "spring", "a=b", "", None, True])
def test_numbers_and_plain_text_stay(value: object) -> None:
    assert csv_cell(value) is value


def test_names_in_plots_are_no_markup() -> None:
    evil = '<a href="https://evil.example">sale</a>'
    figure = go.Figure(go.Bar(x=[evil, "b"], y=[1, 2], name=evil, text=[evil, ""], hovertemplate="%{x}<extra></extra>"))
    figure.add_annotation(text=evil)
    figure.update_xaxes(categoryarray=[evil])
    found = escaped_figure(figure).to_json()
    assert "\\u003ca" not in found and "<a" not in found
    assert found.count("&lt;a href") == 5
    assert list(figure.data[0].y) == [1, 2]
    assert "extra>" in found.replace("\\u003e", ">")
