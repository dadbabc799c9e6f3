"""What a panel is, whatever draws it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Unit = Literal["short", "s", "percentunit", "reqps", "micros", "bytes", "none"]


class Query(NamedTuple):
    """A PromQL expression and what its series are called.

    Attributes:
        expr: the expression.
        legend: with labels in double braces, as Grafana has them.
        healthy_empty: why it may have no series on a healthy platform under load; empty: it must have some.
    """

    expr: str
    legend: str
    healthy_empty: str = ""


class Panel(NamedTuple):
    """One picture.

    Attributes:
        title: what it shows.
        unit: of its values; `micros` are money, shown in whole units.
        queries: its series.
        about: how to read it.
        kind: `lines` over time, or the `latest` values.
    """

    title: str
    unit: Unit
    queries: tuple[Query, ...]
    about: str
    kind: Literal["lines", "latest"] = "lines"


class Dashboard(NamedTuple):
    """A page.

    Attributes:
        name: of its file.
        title: for people.
        panels: in reading order.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
