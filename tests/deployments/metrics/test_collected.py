"""A report as Prometheus reads it: names by its conventions, labels bounded, and unavailable parts left out."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from deployments.metrics import Collected, PlatformReport, Timings
from deployments.metrics.campaigns import MOST_CAMPAIGNS, OTHERS, pacing_errors
from deployments.metrics.counters import MOST_VALUES, for_people
from deployments.metrics.timings import HISTOGRAMS, SECONDS
from deployments.models import Serving
from rtb.catalog import CatalogEntry
from rtb.events.sink import Backlog
from rtb.ledger import Balance
from rtb.pacing.snapshot import PACING_DTYPE
from tests.rtb.builders import make_campaign
from tests.support import require_package

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class _Tally:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        self.counts[name] += amount


def entries(count: int) -> list[CatalogEntry]:
    return [CatalogEntry(number, make_campaign(f"c{number}"), 1.0) for number in range(1, count + 1)]


def text(report: PlatformReport) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected(report))
    return generate_latest(registry).decode()


def samples(report: PlatformReport) -> Samples:
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for s in _each(text(report))}


def _each(told: str) -> Iterator[Any]:
    for family in text_string_to_metric_families(told):
        yield from family.samples


def full(campaigns: int = 3, counters: dict[str, int] | None = None) -> PlatformReport:
    serving = Serving(replica="r", version="v1", state="ok", since=1.0, refused="", at=2.0)
    return PlatformReport(
        entries=entries(campaigns),
        balances=[
            Balance(budget=10_000, available=9_000, spent=number, bids=5, bills=2, clicks=1)
            for number in range(campaigns)
        ],
        portfolios=[],
        counters=counters or {"requests": 7, "exchange.acme.bid": 3, "no_bid.timeout": 2, "exchange.acme.requests": 4},
        events=Backlog(3, 0.5),
        models={"ctr": [serving], "policy": []},
        artefacts={"ctr": {"version": "v1", "created": "2026-11-26T00:00:00+00:00"}, "policy": {"version": "prior"}},
        is_ready=True,
    )


def test_prometheus_own_linter_has_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    require_package(promtool, "prometheus")
    tally = _Tally()
    timings = Timings(tally)  # type: ignore[arg-type]
    for name, one in HISTOGRAMS.items():
        timings.note(name, one.values[0], 0.004)
    told = text(full(counters={"requests": 1, "lease.granted": 2, "cache.bucket.hit": 1, **tally.counts}))
    done = subprocess.run([str(promtool), "check", "metrics"], input=told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_part_that_is_away_is_said_to_be_and_the_others_are_told() -> None:
    nothing = samples(PlatformReport())
    assert {value for (name, _), value in nothing.items() if name == "raybid_records_left_out"} == {0.0}
    assert {key: value for key, value in nothing.items() if key[0] != "raybid_records_left_out"} == {
        ("raybid_ready", ()): 0.0,
        ("raybid_part_up", (("part", "catalog"),)): 0.0,
        ("raybid_part_up", (("part", "ledger"),)): 0.0,
        ("raybid_part_up", (("part", "models"),)): 0.0,
    }
    found = samples(full())
    assert found["raybid_part_up", (("part", "ledger"),)] == 1.0
    assert found["raybid_requests_total", ()] == 7


def test_campaigns_that_spent_most_are_told_apart_and_the_rest_together() -> None:
    found = samples(full(MOST_CAMPAIGNS + 30))
    spent = {
        labels[0][1]: value for (name, labels), value in found.items() if name == "raybid_campaign_spent_micros_total"
    }
    assert len(spent) == MOST_CAMPAIGNS + 1
    assert sum(spent.values()) == found["raybid_spent_micros_total", ()]
    assert spent[OTHERS] == sum(range(30))
    assert "c1" not in spent and f"c{MOST_CAMPAIGNS + 30}" in spent


def test_revenue_is_what_clicks_are_worth() -> None:
    found = samples(full(1))
    worth = make_campaign().goal.value_micros
    assert found["raybid_campaign_value_micros", (("campaign", "c1"),)] == worth


def test_names_from_outside_make_no_endless_series() -> None:
    counters = {f"invalid.made_up_{number}": 1 for number in range(2_000)}
    assert sum(name == "raybid_invalid_requests_total" for name, _ in samples(full(1, counters))) == MOST_VALUES


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0.001), (0.001, 0.001), (0.0011, 0.002), (0.4, 0.5), (9.0, None)]
)
def test_a_measurement_is_in_the_buckets_that_hold_it(seconds: float, bucket: float | None) -> None:
    tally = _Tally()
    Timings(tally).note("request", "bid", seconds)  # type: ignore[arg-type]
    found = samples(full(1, dict(tally.counts)))
    name = "raybid_request_duration_seconds"
    inside = [end for end in SECONDS if found[f"{name}_bucket", (("kind", "bid"), ("le", str(end)))] == 1.0]
    assert inside == ([] if bucket is None else list(SECONDS[SECONDS.index(bucket) :]))
    assert found[f"{name}_count", (("kind", "bid"),)] == 1.0
    assert found[f"{name}_sum", (("kind", "bid"),)] == pytest.approx(seconds, abs=1e-6)


def test_people_are_not_told_buckets() -> None:
    assert for_people({"requests": 1, "request.bid.3": 2, "batch..1": 3, "cache.bucket.hit": 4}) == {"requests": 1}


def test_a_budget_that_goes_faster_than_its_time_has_a_positive_error() -> None:
    table = np.zeros(3, PACING_DTYPE)
    table["number"], table["open"] = [1, 2, 3], [True, True, False]
    table["budget_total"], table["budget_left"] = 100.0, [40.0, 90.0, 10.0]
    table["time_total"], table["time_left"] = 10.0, 5.0
    assert pacing_errors(table) == {1: pytest.approx(0.1), 2: pytest.approx(-0.4)}
    assert pacing_errors(np.zeros(0)) == {}


def test_the_age_of_a_model_is_that_of_its_training() -> None:
    found = samples(full())
    created = found["raybid_model_created_timestamp_seconds", (("kind", "ctr"),)]
    assert 0 < created < time.time() + 86_400 * 365 * 10
    assert ("raybid_model_created_timestamp_seconds", (("kind", "policy"),)) not in found
