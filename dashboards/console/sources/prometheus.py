"""Figures from a Prometheus that scrapes the platform: the time before the console was opened."""

from __future__ import annotations

import time

import httpx
import pandas as pd

from rtb.runtime import calls

_TIMEOUT_S = 5.0
_POINTS = 120


class PrometheusAway(RuntimeError):
    """An error when it does not answer as a Prometheus; the message says what to do."""


def over_time(url: str, query: str, seconds: float, transport: httpx.BaseTransport | None = None) -> pd.Series:
    """Return a query's values over the last seconds, by UTC time; empty if it has none.

    Raises:
        PrometheusAway: it does not answer.
    """
    now = time.time()
    asked: dict[str, str | float] = {
        "query": query,
        "start": now - seconds,
        "end": now,
        "step": max(1.0, seconds / _POINTS),
    }
    try:
        with calls.client(url, timeout=_TIMEOUT_S, transport=transport) as client:
            answer = client.get(f"{url}/api/v1/query_range", params=asked)
            answer.raise_for_status()
            found = answer.json()["data"]["result"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise PrometheusAway(f"RAYBID_PROMETHEUS_URL ({url}) does not answer as a Prometheus: {error}") from error
    values = found[0]["values"] if found else []
    times = pd.to_datetime([float(at) for at, _ in values], unit="s", utc=True)
    return pd.Series([float(value) for _, value in values], index=times, dtype="float64")
