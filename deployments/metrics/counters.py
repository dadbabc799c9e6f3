"""The tally's counters as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from deployments.metrics.timings import HISTOGRAMS, TimingHistogram

MOST_VALUES = 200
"""Values of one label; counters beyond it, which no code of ours makes, are left out."""

FAMILIES = {
    "requests": ((), "raybid_requests", "Bid requests."),
    "bid_responses": ((), "raybid_bid_responses", "Requests answered with a bid."),
    "bid_events_dropped": ((), "raybid_bid_events_dropped", "Bid events that found no room."),
    "prior_requests": ((), "raybid_prior_requests", "Requests scored by the prior: no CTR model answered in time."),
    "decisions_dropped": ((), "raybid_decisions_dropped", "Bids that cannot be explained: no room to record them."),
    "no_bid": (("reason",), "raybid_no_bids", "Requests answered without a bid."),
    "taxonomy": (("taxonomy",), "raybid_unread_taxonomies", "Requests without a bid, with categories of a taxonomy."),
    "invalid": (("reason",), "raybid_invalid_requests", "Requests refused."),
    "candidates": (("reason",), "raybid_barred_candidates", "Candidates left out."),
    "exchange": (("exchange", "outcome"), "raybid_exchange_requests", "Requests by exchange profile and outcome."),
    "exchange_notice": (("exchange", "outcome"), "raybid_exchange_notices", "Notices of bids by exchange profile."),
    "notice": (("kind", "outcome"), "raybid_notices", "Notices."),
    "sync": (("exchange", "outcome"), "raybid_user_syncs", "User syncs by exchange profile and outcome."),
    "security": (("event",), "raybid_security_events", "Callers refused, and changes: see rtb.runtime.security."),
    "lease": (("outcome",), "raybid_leases", "Leases of budgets that bidders asked for."),
    "leased_micros": ((), "raybid_leased_micros", "Money that bidders leased."),
    "cache": (("cache", "outcome"), "raybid_cache_lookups", "Look-ups of what is remembered between requests."),
    "predicted_micros": ((), "raybid_predicted_clicks_micros", "Millionths of clicks predicted of charged bids."),
    "observed_clicks": ((), "raybid_observed_clicks", "Clicks of bids whose prediction is in the other."),
}
"""By the first part of a counter's name: what its other parts are, its metric, and what that counts."""

OTHER = (("name",), "raybid_other_events", "What has no metric of its own.")

OUTCOMES = ("bid", "no_bid", "shed", "refused")
"""Of a request of a known exchange; `exchange.<name>.requests` and `.bid_responses` are for people who read /stats."""


def for_people(counters: Mapping[str, int]) -> dict[str, int]:
    """Drop counters that only make sense together, as a histogram or as hits and misses."""
    apart = {*HISTOGRAMS, "cache"}
    return {name: value for name, value in counters.items() if name.partition(".")[0] not in apart}


def counted(counters: Mapping[str, int]) -> Iterator[Metric]:
    """Yield metrics of counters, histograms among them."""
    families: dict[str, CounterMetricFamily] = {}
    buckets: dict[tuple[str, str], dict[str, int]] = {}
    for name, value in counters.items():
        first, *parts = name.split(".")
        if first in HISTOGRAMS and len(parts) == 2:
            buckets.setdefault((first, parts[0]), {})[parts[1]] = value
            continue
        if first == "exchange" and parts[-1] not in OUTCOMES:
            continue
        labels, metric, about = FAMILIES.get(first, OTHER)
        if len(labels) != len(parts):
            (labels, metric, about), parts = OTHER, [name]
        family = families.setdefault(metric, CounterMetricFamily(metric, about, labels=labels))
        if len(family.samples) < MOST_VALUES:
            family.add_metric(parts, value)
    yield from families.values()
    for first, histogram in HISTOGRAMS.items():
        yield _histogram(histogram, {value: buckets.get((first, value), {}) for value in histogram.values})


def _histogram(histogram: TimingHistogram, found: Mapping[str, Mapping[str, int]]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        histogram.metric, histogram.about, labels=[histogram.label] if histogram.label else []
    )
    ends = [*map(str, histogram.bounds), "+Inf"]
    for value, counts in found.items():
        upto = accumulate(counts.get(str(place), 0) for place in range(len(ends)))
        total = counts.get("sum", 0) / histogram.scale
        family.add_metric([value] if histogram.label else [], list(zip(ends, upto, strict=True)), total)
    return family
