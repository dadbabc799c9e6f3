"""Measurements of a replay, and their display."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from rtb.money.micros import MICROS

_BUCKETS_PER_DOUBLING = 64  # a bucket is 1.1% wide
_LEAST_SECONDS = 1e-6
_KEPT_LINES = 20


class Latencies:
    """A histogram of latencies with percentiles accurate to about 1%, for any number of samples."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def add(self, seconds: float) -> None:
        """Count one latency."""
        self._counts[round(math.log2(max(seconds, _LEAST_SECONDS)) * _BUCKETS_PER_DOUBLING)] += 1
        self._total += 1

    def percentile(self, q: float) -> float:
        """Return the latency in seconds that a share `q` (0 to 1) does not exceed (nearest rank); 0 when empty."""
        rank = max(1, math.ceil(q * self._total))
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= rank:
                return float(2.0 ** (bucket / _BUCKETS_PER_DOUBLING))
        return 0.0


@dataclass
class ReplayFigures:
    """Counters of a replay, also while it runs.

    Attributes:
        requests: bid requests sent, answered or not.
        answers: 200 answers with at least one bid.
        bids: bids in these answers; each becomes a win or a loss.
        wins: bids that won their auction.
        losses: bids that did not win, including those that broke a rule.
        clicks: click URLs that redirected.
        conversions: conversions acknowledged.
        spend_micros: sum of the clearing prices of wins whose billing notice was acknowledged.
        late: answers that came after the request's `tmax`.
        invalid_responses: answers that broke a rule.
        violations: how often each rule was broken.
        statuses: bid answers by HTTP status.
        errors: by kind: `bid_5xx`, `bid_refused` (401, 403, 404, 429: the key or the path), `bid_transport`,
            `body_with_204`, `body_with_400`, `notice_<kind>` (given up),
            `notices_abandoned` (not sent in the time the end allows).
        notices: acknowledged notices, by kind.
        notice_retries: notices sent again.
        bad_lines: lines of request files without a JSON object.
        bad_line_reasons: reasons for the first of them, with file and line number.
        latencies: latencies of bid answers, from writing the request to reading the last byte.
        seconds: time since the first request.
        recent_qps: requests per second since the last tick.
    """

    requests: int = 0
    answers: int = 0
    bids: int = 0
    wins: int = 0
    losses: int = 0
    clicks: int = 0
    conversions: int = 0
    spend_micros: int = 0
    late: int = 0
    invalid_responses: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    notice_retries: int = 0
    bad_lines: int = 0
    bad_line_reasons: list[str] = field(default_factory=list)
    latencies: Latencies = field(default_factory=Latencies)
    seconds: float = 0.0
    recent_qps: float = 0.0

    @property
    def qps(self) -> float:
        """Requests per second over the whole replay."""
        return _ratio(self.requests, self.seconds)

    @property
    def bid_rate(self) -> float:
        """Share of the requests that were answered with a bid."""
        return _ratio(self.answers, self.requests)

    @property
    def win_rate(self) -> float:
        """Share of the bids that won."""
        return _ratio(self.wins, self.bids)

    @property
    def ctr(self) -> float:
        """Clicks per win."""
        return _ratio(self.clicks, self.wins)

    @property
    def ecpc_micros(self) -> int | None:
        """Cost per click in micros; None before the first click."""
        return round(self.spend_micros / self.clicks) if self.clicks else None

    def note_bad_line(self, reason: str) -> None:
        """Count a line that could not be used."""
        self.bad_lines += 1
        if len(self.bad_line_reasons) < _KEPT_LINES:
            self.bad_line_reasons.append(reason)

    def summary(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        named = {str(status): self.statuses[status] for status in (200, 204, 400)}
        other = self.statuses.total() - sum(named.values())
        return {
            "requests": self.requests,
            "bids": self.bids,
            "wins": self.wins,
            "losses": self.losses,
            "clicks": self.clicks,
            "conversions": self.conversions,
            "spend_micros": self.spend_micros,
            "errors": self.errors.total(),
            "errors_by_kind": dict(self.errors),
            "invalid_responses": self.invalid_responses,
            "violations": dict(self.violations),
            "status": {**named, "other": other},
            "status_codes": {str(status): n for status, n in sorted(self.statuses.items())},
            "qps": round(self.qps, 1),
            "p50_ms": round(self.latencies.percentile(0.5) * 1e3, 3),
            "p99_ms": round(self.latencies.percentile(0.99) * 1e3, 3),
            "bid_rate": round(self.bid_rate, 6),
            "win_rate": round(self.win_rate, 6),
            "ctr": round(self.ctr, 6),
            "ecpc_micros": self.ecpc_micros,
            "late": self.late,
            "notices": dict(self.notices),
            "notice_retries": self.notice_retries,
            "bad_lines": self.bad_lines,
            "seconds": round(self.seconds, 3),
        }


def table(figures: ReplayFigures) -> Table:
    """Return the figures as a table for the terminal."""
    shown = Table(show_header=False, title=f"replay, {figures.seconds:.0f} s")
    shown.add_column(justify="right", style="bold")
    shown.add_column()
    for name, value in _rows(figures):
        shown.add_row(name, value)
    return shown


def line(figures: ReplayFigures) -> str:
    """Return the figures in one line, for a log."""
    return (
        f"{figures.seconds:6.1f} s  {figures.recent_qps:.0f} req/s  bid {figures.bid_rate:.1%}  "
        f"win {figures.win_rate:.1%}  CTR {figures.ctr:.2%}  spend {figures.spend_micros / MICROS:.4f}  "
        f"eCPC {_ecpc(figures)}  p50 {figures.latencies.percentile(0.5) * 1e3:.1f} ms  "
        f"p99 {figures.latencies.percentile(0.99) * 1e3:.1f} ms  status {_counts(figures.statuses)}  "
        f"errors {figures.errors.total()}  invalid {figures.invalid_responses}"
    )


def _rows(figures: ReplayFigures) -> list[tuple[str, str]]:
    p50, p99 = (figures.latencies.percentile(q) * 1e3 for q in (0.5, 0.99))
    return [
        ("requests", f"{figures.requests:,}  ({figures.recent_qps:,.0f}/s now, {figures.qps:,.0f}/s overall)"),
        ("bids", f"{figures.bids:,}  ({figures.bid_rate:.1%} of requests)"),
        ("wins", f"{figures.wins:,}  ({figures.win_rate:.1%} of bids)"),
        ("clicks", f"{figures.clicks:,}  (CTR {figures.ctr:.2%}), {figures.conversions:,} conversions"),
        ("spend", f"{figures.spend_micros / MICROS:,.6f}  (eCPC {_ecpc(figures)})"),
        ("latency", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {figures.late:,} past tmax"),
        ("status", _counts(figures.statuses)),
        ("errors", _counts(figures.errors)),
        ("violations", _counts(figures.violations)),
    ]


def _ecpc(figures: ReplayFigures) -> str:
    return "-" if figures.ecpc_micros is None else f"{figures.ecpc_micros / MICROS:.4f}"


def _counts(counts: Counter[Any]) -> str:
    return ", ".join(f"{name}: {n:,}" for name, n in sorted(counts.items())) or "none"


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
