"""Every expression of a panel or an alert, and whether it has data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import yaml

from pipelines.dashboards.definition import DASHBOARDS
from verification.watching.servers import CONFIG

_METRIC = re.compile(r"\b(?:raybid|ray)_[a-z0-9_]+|\bup\b")

_MAY_BE_MISSING = {
    "raybid_model_created_timestamp_seconds": "no model trained yet: bids use a prior",
}
"""Metrics of alerts that a healthy platform may lack, and why."""


class Expression(NamedTuple):
    """An expression to query.

    Attributes:
        where: dashboard and panel, or alert.
        expr: PromQL expression.
        healthy_empty: reason why it may have no series; empty: it must have some.
        is_alert: whether it is an alert's: then it has no series while all is well, but every metric in it has.
    """

    where: str
    expr: str
    healthy_empty: str = ""
    is_alert: bool = False


class ExpressionCheck(NamedTuple):
    """The result: the number of series, or the reason for none; neither: it should have some."""

    expression: Expression
    series: int
    reason: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it has no data and no reason for that."""
        return not self.series and not self.reason


def of_panels() -> list[Expression]:
    """Return the expressions of all panels."""
    return [
        Expression(f"{dashboard.name}: {panel.title}", query.expr, query.healthy_empty)
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for query in panel.queries
    ]


def of_alerts() -> list[Expression]:
    """Return the expressions of all alerts."""
    rules = yaml.safe_load((CONFIG / "alerts.yaml").read_text())
    return [
        Expression(rule["alert"], rule["expr"], is_alert=True) for group in rules["groups"] for rule in group["rules"]
    ]


def tested() -> set[str]:
    """Return the alerts with a test in which they fire."""
    cases = yaml.safe_load((CONFIG / "tests" / "alerts.yaml").read_text())
    asked = [one for case in cases["tests"] for one in case["alert_rule_test"]]
    return {one["alertname"] for one in asked if one.get("exp_alerts")}


def metrics_in(expr: str) -> list[str]:
    """Return the names of the metrics that an expression reads."""
    return sorted(set(_METRIC.findall(expr)))


def judge(expression: Expression, query: Callable[[str], Sequence[Any]]) -> ExpressionCheck:
    """Judge whether an expression has data, or a reason to have none."""
    series = len(query(expression.expr))
    if series:
        return ExpressionCheck(expression, series)
    if not expression.is_alert:
        return ExpressionCheck(expression, 0, expression.healthy_empty)
    missing = [name for name in metrics_in(expression.expr) if not query(name)]
    if all(name in _MAY_BE_MISSING for name in missing):
        reasons = [_MAY_BE_MISSING[name] for name in missing]
        return ExpressionCheck(expression, 0, "; ".join(reasons) or "no alert: all its metrics have data")
    return ExpressionCheck(expression, 0)
