"""Configuration of the console from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from rtb.runtime.settings import Settings
from rtb.store import Store, event_store


class Configuration(NamedTuple):
    """The platform that the console talks to.

    Attributes:
        url: URL of the platform.
        key: API key sent with each call; empty: none was found.
        events: store of the events' Parquet files.
        prometheus: URL of a Prometheus; empty: none.
        currency: currency of all money.
    """

    url: str
    key: str
    events: Store
    prometheus: str
    currency: str


def from_environment(environment: Mapping[str, str] | None = None) -> Configuration:
    """Read the environment; see `python -m dashboards.console`.

    Raises:
        ValidationError: an invalid setting.
    """
    given = os.environ if environment is None else environment
    settings = Settings()
    return Configuration(
        url=(given.get("RAYBID_URL") or settings.base_url).rstrip("/"),
        key=given.get("RAYBID_KEY") or settings.find_secret("admin_key"),
        events=event_store(settings),
        prometheus=given.get("RAYBID_PROMETHEUS_URL", "").rstrip("/"),
        currency=settings.currency,
    )
