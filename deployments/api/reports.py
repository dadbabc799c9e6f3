"""Figures: for people as JSON, for Prometheus as text. The same whichever replica answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Depends, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

from deployments.api.access import Caller, needs
from deployments.api.documents import responses
from deployments.api.figures import COUNTS, POTS, figures, totals
from deployments.models import Serving, served
from rtb.catalog import Entry
from rtb.events.sink import Backlog
from rtb.ledger import Balance, whole_balances
from rtb.registry import KINDS, Kind

if TYPE_CHECKING:
    from deployments.router import Router

_MOST_LABELS = 200
"""Values of one label; counters beyond it, which no code of ours makes, are left out."""


class Report(NamedTuple):
    """Everything both ways of telling tell."""

    entries: list[Entry]
    balances: list[Balance]
    counters: dict[str, int]
    events: Backlog
    models: dict[Kind, list[Serving]]


def routes(router: Router) -> APIRouter:
    """The calls for figures."""
    found = APIRouter(tags=["figures"])
    reader = Depends(needs(router, "report", optional=not router.settings.require_report_key))

    @found.get(
        "/stats",
        summary="Money by campaign as the ledger has it, and counters over all replicas",
        responses=responses("Stats"),
    )
    async def stats(caller: Caller = reader) -> dict[str, Any]:
        report = await _report(router)
        pairs = zip(report.entries, report.balances, strict=True)
        money = {name: value for name, value in totals(report.balances).items() if name.endswith("_micros")}
        return {
            "ledger": money,
            "campaigns": {entry.campaign.id: figures(balance) for entry, balance in pairs},
            "counters": report.counters,
            "events": report.events._asdict(),
        }

    @found.get(
        "/metrics",
        summary="The same for Prometheus, without what is of single campaigns",
        response_class=Response,
        responses=responses(None, kind="text/plain"),
    )
    async def metrics(caller: Caller = reader) -> Response:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(await _report(router)))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_1_0_0)

    return found


async def _report(router: Router) -> Report:
    entries = await asyncio.to_thread(router.catalog.all)
    balances = await whole_balances(router.ledger, [entry.number for entry in entries])
    models = {kind: await served(router.client, kind) for kind in KINDS}
    return Report(entries, balances, await router.tally.totals(), await router.events.backlog(), models)


class _Collected:
    """A report as Prometheus metrics.

    Labels are names that the code gives (reasons, outcomes, states), never ids of campaigns, users or exchanges'
    requests: whoever wants a campaign's money reads `/stats`.
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks for."""
        yield from self._ledger()
        yield from _counters(self._report.counters)
        yield GaugeMetricFamily(
            "raybid_event_backlog", "Events not yet in Parquet.", value=float(self._report.events.length)
        )
        yield GaugeMetricFamily(
            "raybid_event_lag_seconds", "Age of the oldest event not yet in Parquet.", value=self._report.events.lag
        )

        yield _models(self._report.models)

    def _ledger(self) -> Iterator[Metric]:
        summed = totals(self._report.balances)
        pots = GaugeMetricFamily("raybid_money_micros", "Where campaigns' money is.", labels=["pot"])
        for pot in POTS:
            pots.add_metric([pot], summed[f"{pot}_micros"])
        yield pots
        yield CounterMetricFamily("raybid_spent_micros", "Money charged.", value=summed["spent_micros"])
        counts = CounterMetricFamily("raybid_ledger_events", "What the ledger counted.", labels=["kind"])
        for name in COUNTS:
            counts.add_metric([name], summed[name])
        yield counts
        campaigns = GaugeMetricFamily("raybid_campaigns", "Campaigns of record.", labels=["status"])
        statuses = [entry.campaign.status for entry in self._report.entries]
        for status in ("active", "paused", "archived"):
            campaigns.add_metric([status], statuses.count(status))
        yield campaigns


def _models(models: Mapping[Kind, list[Serving]]) -> Metric:
    """A replica in `refused` serves an older model than the published one."""
    replicas = GaugeMetricFamily("raybid_model_replicas", "Replicas by what they serve.", labels=["kind", "state"])
    for kind, serving in models.items():
        states = [one.state for one in serving]
        for state in ("ok", "refused", "pinned"):
            replicas.add_metric([kind, state], states.count(state))
    return replicas


_FAMILIES = {
    "requests": ((), "raybid_requests", "Bid requests."),
    "bid_responses": ((), "raybid_bid_responses", "Requests answered with a bid."),
    "bid_events_dropped": ((), "raybid_bid_events_dropped", "Bid events that found no room."),
    "no_bid": (("reason",), "raybid_no_bids", "Requests answered without a bid."),
    "invalid": (("reason",), "raybid_invalid_requests", "Requests refused."),
    "shed": (("reason",), "raybid_shed_requests", "Requests not worked on, to be in time for others."),
    "candidates": (("reason",), "raybid_barred_candidates", "Candidates left out."),
    "exchange": (("exchange", "event"), "raybid_exchange_events", "Requests and answers by exchange profile."),
    "notice": (("kind", "outcome"), "raybid_notices", "Notices."),
}
"""By the first part of a counter's name: what its other parts are, its metric, and what that counts."""

_OTHER = (("name",), "raybid_other_events", "What has no metric of its own.")


def _counters(counters: Mapping[str, int]) -> Iterable[Metric]:
    families: dict[str, CounterMetricFamily] = {}
    for name, value in counters.items():
        first, *parts = name.split(".")
        labels, metric, about = _FAMILIES.get(first, _OTHER)
        if len(labels) != len(parts):
            (labels, metric, about), parts = _OTHER, [name]
        family = families.setdefault(metric, CounterMetricFamily(metric, about, labels=labels))
        if len(family.samples) < _MOST_LABELS:
            family.add_metric(parts, value)
    return families.values()
