"""A report as Prometheus metrics.

Labels are names that the code gives (reasons, outcomes, states), those of exchange profiles, and a bounded number of
campaigns and portfolios; never ids of users or requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from deployments.figures import COUNTS, POTS, totals
from deployments.metrics.campaigns import campaigns, portfolios
from deployments.metrics.counters import counted
from deployments.metrics.report import PlatformReport
from deployments.models import Serving
from rtb.catalog import CatalogEntry
from rtb.ledger import Balance
from rtb.models.registry import Kind
from rtb.runtime.quarantine import Fault, count_by_kind
from rtb.runtime.quarantine import Kind as RecordKind


class Collected:
    """A collector for prometheus-client's registry."""

    def __init__(self, report: PlatformReport) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Yield metrics of the parts that answered."""
        report = self._report
        yield GaugeMetricFamily("raybid_ready", "Whether the replica asked can bid.", value=float(report.is_ready))
        parts = GaugeMetricFamily("raybid_part_up", "Whether a part answers.", labels=["part"])
        parts.add_metric(["ledger"], float(report.counters is not None))
        parts.add_metric(["catalog"], float(report.entries is not None))
        parts.add_metric(["models"], float(report.artefacts is not None))
        yield parts
        yield _left_out(report.left_out)
        if report.entries is not None:
            yield _statuses(report.entries)
            if report.balances is not None:
                yield from _ledger(report.balances)
                yield from campaigns(report.entries, report.balances, report.pacing)
                yield from portfolios(report.portfolios or (), report.entries, report.balances)
        if report.counters is not None:
            yield from counted(report.counters)
        if report.behind is not None:
            yield GaugeMetricFamily(
                "raybid_campaigns_behind", "Campaigns the ledger lost figures of.", value=float(report.behind.count)
            )
        if report.events is not None:
            yield GaugeMetricFamily(
                "raybid_event_backlog", "Events not yet in Parquet.", value=float(report.events.length)
            )
            yield GaugeMetricFamily(
                "raybid_event_lag_seconds", "Age of the oldest event not yet in Parquet.", value=report.events.lag
            )
        if report.models is not None:
            yield _models(report.models)
        if report.artefacts is not None:
            yield from _artefacts(report.artefacts)


def _left_out(faults: Sequence[Fault]) -> Metric:
    """Count faults by kind; each kind is there from the start, so that an alert sees the first."""
    family = GaugeMetricFamily("raybid_records_left_out", "Records that cannot be used.", labels=["kind"])
    counts = count_by_kind(faults)
    for kind in get_args(RecordKind):
        family.add_metric([kind], counts.get(kind, 0))
    return family


def _statuses(entries: Sequence[CatalogEntry]) -> Metric:
    family = GaugeMetricFamily("raybid_campaigns", "Campaigns of record.", labels=["status"])
    found = [entry.campaign.status for entry in entries]
    for status in ("active", "paused", "archived"):
        family.add_metric([status], found.count(status))
    return family


def _ledger(balances: Sequence[Balance]) -> Iterator[Metric]:
    summed = totals(balances)
    pots = GaugeMetricFamily("raybid_money_micros", "Where campaigns' money is.", labels=["pot"])
    for pot in POTS:
        pots.add_metric([pot], summed[f"{pot}_micros"])
    yield pots
    yield CounterMetricFamily("raybid_spent_micros", "Money charged.", value=summed["spent_micros"])
    counts = CounterMetricFamily("raybid_ledger_events", "What the ledger counted.", labels=["kind"])
    for name in COUNTS:
        counts.add_metric([name], summed[name])
    yield counts


def _models(models: Mapping[Kind, list[Serving]]) -> Metric:
    """Count replicas by what they serve; one in `refused` serves an older model than the published one."""
    replicas = GaugeMetricFamily("raybid_model_replicas", "Replicas by what they serve.", labels=["kind", "state"])
    for kind, serving in models.items():
        states = [one.state for one in serving]
        for state in ("ok", "refused", "pinned"):
            replicas.add_metric([kind, state], states.count(state))
    return replicas


def _artefacts(artefacts: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    """Yield version and age of each kind's model; a prior has no age."""
    info = GaugeMetricFamily("raybid_model_info", "1 for the model in use.", labels=["kind", "version"])
    created = GaugeMetricFamily(
        "raybid_model_created_timestamp_seconds", "When the model in use was trained.", labels=["kind"]
    )
    for kind, told in artefacts.items():
        info.add_metric([kind, told["version"]], 1.0)
        if told.get("created"):
            created.add_metric([kind], datetime.fromisoformat(told["created"]).timestamp())
    yield info
    yield created
