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
"""Metrics of alerts that a healthy platform may not have, and why."""


class Expression(NamedTuple):
    """One to ask.

    Attributes:
        where: dashboard and panel, or alert.
        expr: in PromQL.
        healthy_empty: why it may have no series; empty: it must have some.
        is_alert: an alert's: it has none while all is well, but every metric in it has.
    """

    where: str
    expr: str
    healthy_empty: str = ""
    is_alert: bool = False


class Verdict(NamedTuple):
    """What was found: how many series, or why there are none; neither: it should have some."""

    expression: Expression
    series: int
    reason: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it has no data and no reason for it."""
        return not self.series and not self.reason


def of_panels() -> list[Expression]:
    """Those of all panels."""
    return [
        Expression(f"{dashboard.name}: {panel.title}", query.expr, query.healthy_empty)
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for query in panel.queries
    ]


def of_alerts() -> list[Expression]:
    """Those of all alerts."""
    rules = yaml.safe_load((CONFIG / "alerts.yaml").read_text())
    return [
        Expression(rule["alert"], rule["expr"], is_alert=True) for group in rules["groups"] for rule in group["rules"]
    ]


def tested() -> set[str]:
    """Alerts with a case in which they fire."""
    cases = yaml.safe_load((CONFIG / "tests" / "alerts.yaml").read_text())
    asked = [one for case in cases["tests"] for one in case["alert_rule_test"]]
    return {one["alertname"] for one in asked if one.get("exp_alerts")}


def metrics_in(expr: str) -> list[str]:
    """Names of the metrics that an expression reads."""
    return sorted(set(_METRIC.findall(expr)))


def judge(expression: Expression, query: Callable[[str], Sequence[Any]]) -> Verdict:
    """Whether an expression has data, or a reason to have none."""
    series = len(query(expression.expr))
    if series:
        return Verdict(expression, series)
    if not expression.is_alert:
        return Verdict(expression, 0, expression.healthy_empty)
    missing = [name for name in metrics_in(expression.expr) if not query(name)]
    if all(name in _MAY_BE_MISSING for name in missing):
        reasons = [_MAY_BE_MISSING[name] for name in missing]
        return Verdict(expression, 0, "; ".join(reasons) or "nothing to tell of: all it reads is there")
    return Verdict(expression, 0)
