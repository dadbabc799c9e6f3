"""What a run comes to. Apart from the users: importing Locust changes how all of a process waits."""

from __future__ import annotations

from typing import Any


def verdict(stats: Any, sla_ms: float) -> dict[str, Any]:
    """Judge Locust's figures.

    Args:
        stats: of the run.
        sla_ms: milliseconds that 99 of 100 calls may take.

    Returns:
        calls, failures, calls a second, 99th percentile of all and by task (milliseconds; Locust keeps two digits of
        what is above 100), and whether it passed: some calls, no failure, the percentile below what is allowed.
    """
    total = stats.total
    p99 = total.get_response_time_percentile(0.99) or 0
    return {
        "requests": total.num_requests,
        "failures": total.num_failures,
        "rate": round(total.total_rps, 1),
        "p50_ms": total.get_response_time_percentile(0.5) or 0,
        "p99_ms": p99,
        "sla_ms": sla_ms,
        "p99_ms_by_task": {
            name: entry.get_response_time_percentile(0.99) for (name, _), entry in sorted(stats.entries.items())
        },
        "passed": bool(total.num_requests and not total.num_failures and p99 < sla_ms),
    }
