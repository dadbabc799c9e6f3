"""Panels, independent of the tool that draws them."""

from __future__ import annotations

from typing import Literal, NamedTuple

Unit = Literal["short", "s", "percentunit", "reqps", "micros", "bytes", "none"]


class Query(NamedTuple):
    """A PromQL expression and its legend.

    Attributes:
        expr: PromQL expression.
        legend: series name, with labels in double braces as in Grafana.
        healthy_empty: reason why it may have no series on a healthy platform under load; empty: it must have some.
    """

    expr: str
    legend: str
    healthy_empty: str = ""


class Panel(NamedTuple):
    """A panel of a dashboard.

    Attributes:
        title: title of the panel.
        unit: unit of the values; `micros` are money, shown in whole units.
        queries: queries for its series.
        about: description of how to read it.
        kind: `lines` over time, or the `latest` values.
    """

    title: str
    unit: Unit
    queries: tuple[Query, ...]
    about: str
    kind: Literal["lines", "latest"] = "lines"


class Dashboard(NamedTuple):
    """A page of panels.

    Attributes:
        name: file name.
        title: display title.
        panels: panels in reading order.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
