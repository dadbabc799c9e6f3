"""What the check of a cluster reads, counts and judges; the check itself is `make cluster-check`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.exchange import ReplayFigures
from verification.cluster_check import report
from verification.cluster_check.page import blocks
from verification.cluster_check.report import ClusterReport, Outcome
from verification.cluster_check.traffic import Timeline, failed_requests

GOOD = Outcome(errors=0, gap_s=0.4, full_rate_s=0.0)
ZEROS = dict.fromkeys(
    ["overspend_micros", "double_settled", "lost_settlements", "ledger_differs_micros", "reserved_left_micros"], 0
)


def told(**changes: object) -> ClusterReport:
    found = ClusterReport(
        hosts=4,
        connections=12,
        outcomes={report.KILLED: GOOD, report.GCS: GOOD},
        runners_on_hosts=2,
        published_from_elsewhere=True,
        books={**ZEROS, "settled": 100},
    )
    return msgspec.structs.replace(found, **changes)


def test_commands_are_found_by_heading(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n\n## On one\n\n```\nfirst\n```\n\ntext\n\n```sh\nsecond\n```\n\n## On two\n\n```yaml\nno: 1\n```\n"
    )
    assert blocks(page) == {"On one": ["first\n", "second\n"]}


def test_nothing_wrong_is_said_where_all_is_within_bounds() -> None:
    assert told().wrong() == []
    assert told().summary()["errors_by_fault"] == {report.KILLED: 0, report.GCS: 0}


@pytest.mark.parametrize(
    ("name", "outcome", "says"),
    [
        (report.KILLED, Outcome(25, 0.4, 0.0), "25 requests failed, 24 may"),
        (report.GCS, Outcome(1, 0.4, 0.0), "1 requests failed, 0 may"),
        (report.KILLED, Outcome(0, 2.1, 0.0), "did not bid for 2.1 s"),
        (report.CONTROLLER, Outcome(0, 5.1, 0.0), "did not bid for 5.1 s"),
        (report.CUT, Outcome(0, 0.4, 5.1), "after 5.1 s"),
        (report.CUT, Outcome(0, 0.4, None), "after None s"),
    ],
)
def test_a_bound_that_is_exceeded_is_said(name: str, outcome: Outcome, says: str) -> None:
    (wrong,) = told(outcomes={name: outcome}).wrong()
    assert says in wrong


def test_a_longer_gap_is_allowed_where_the_controllers_host_goes_and_none_is_measured_where_all_go() -> None:
    assert told(outcomes={report.CONTROLLER: Outcome(0, 4.9, 0.0), report.POWER: Outcome(9, None, 3.0)}).wrong() == []


@pytest.mark.parametrize("name", ZEROS)
def test_money_that_differs_is_said(name: str) -> None:
    (wrong,) = told(books={**ZEROS, "settled": 1, name: 3}).wrong()
    assert wrong == f"{name} is 3"


@pytest.mark.parametrize(
    "changes", [{"runners_on_hosts": 1}, {"published_from_elsewhere": False}, {"books": ZEROS}, {"faults": ["a fault"]}]
)
def test_what_else_is_missing_is_said(changes: dict[str, object]) -> None:
    assert len(told(**changes).wrong()) == 1


def test_an_audit_that_was_not_made_is_no_zero() -> None:
    assert len(told(books={}).wrong()) == len(ZEROS) + 1


def test_requests_without_a_proper_answer_are_counted_once() -> None:
    figures = ReplayFigures()
    figures.statuses.update({200: 5, 204: 7, 503: 2, 400: 1})
    figures.errors.update({"bid_5xx": 2, "bid_transport": 4, "notice_bill": 9})
    assert failed_requests(figures) == 7


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.integers(1, 9)), max_size=30))
def test_a_timeline_knows_every_bid_and_the_longest_gap(steps: list[tuple[float, int]]) -> None:
    line, at = Timeline(), 0.0
    for seconds, bids in steps:
        at += seconds
        line.note(bids, at)
    gaps = [seconds for seconds, _ in steps]
    assert line.rate(0.0, at + 1.0) * (at + 1.0) == pytest.approx(sum(bids for _, bids in steps))
    assert line.longest_gap(0.0, at + 0.001) == pytest.approx(max([*gaps, 0.001]))
