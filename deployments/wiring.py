"""Clients and models made from the settings, and the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import ray
import redis
import redis.asyncio as aioredis
from ray.serve.context import _get_global_client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.retry import Retry as BlockingRetry

from rtb.catalog import Catalog
from rtb.catalog.spend_book import CatalogSpendBook
from rtb.events import EventStream
from rtb.events.writer import EventWriter
from rtb.ledger.vetting import refuse_unvetted
from rtb.models import policy as policies
from rtb.models.artefacts import META, Meta
from rtb.models.policy import Policy
from rtb.runtime.exposure import exposure_fault
from rtb.runtime.settings import Settings
from rtb.runtime.text import visible
from rtb.store import event_store

logger = logging.getLogger("ray.serve.raybid")
"""Below Serve's logger, which is at WARNING where requests are served: at INFO it logs each request."""

logger.setLevel(logging.INFO)


def _one_line(record: logging.LogRecord) -> bool:
    """Make each record one line: paths, ids and errors are the callers' text, who could forge lines."""
    record.msg, record.args = visible(record.getMessage(), _LONGEST_LINE), ()
    if record.exc_info and not record.exc_text:
        trace = _PLAIN.formatException(record.exc_info)
        record.exc_text = "\n".join(f"  | {visible(line)}" for line in trace.splitlines())
    return True


_LONGEST_LINE = 4_000
_PLAIN = logging.Formatter()
logger.addFilter(_one_line)

_LOGGED_A_SECOND = 10


class LimitedLog:
    """A rate-limited log, so that a flood of bad requests does not flood the disk; the counters miss none."""

    def __init__(self) -> None:
        self._second = self._count = 0

    def warning(self, message: str) -> None:
        """Log a warning, unless enough were logged this second."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        if self._count <= _LOGGED_A_SECOND:
            logger.warning(message)


LEDGER_TIMEOUT_S = 1.0
"""The longest wait for the ledger of anything that somebody waits for."""

_WRITER_TIMEOUT_S = 10.0


def guarded_settings() -> Settings:
    """Return the settings of this replica, checked to protect what Serve listens on.

    Raises:
        OpenPlatform: others may reach it without keys.
    """
    settings = Settings()
    listening = []
    if ray.is_initialized():
        listening.append(_get_global_client().http_config.host or "")
    fault = exposure_fault(settings, listening)
    if fault is not None:
        raise OpenPlatform(fault)
    return settings


class OpenPlatform(RuntimeError):
    """A platform that others may reach without keys; the message says what to set."""


def ledger_client(settings: Settings, *, vetted: bool = True) -> aioredis.Redis:
    """Build a client of the ledger's server; it retries once, so that a restarted server costs no request.

    Args:
        settings: where the server is.
        vetted: whether to refuse a server whose figures were not verified since it started: see `rtb.ledger.vetting`.
    """
    return aioredis.Redis.from_url(
        settings.ledger_url,
        socket_timeout=LEDGER_TIMEOUT_S,
        socket_connect_timeout=LEDGER_TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
        redis_connect_func=refuse_unvetted if vetted else None,
    )


def event_writer(
    settings: Settings, catalog: Catalog, observe: Callable[[pa.Table], None] = lambda table: None
) -> EventWriter:
    """Build the writer of events. It reads many at once in its own thread, so it may wait longer than a notice."""
    client = redis.Redis.from_url(
        settings.ledger_url,
        socket_timeout=_WRITER_TIMEOUT_S,
        socket_connect_timeout=LEDGER_TIMEOUT_S,
        retry=BlockingRetry(NoBackoff(), 1),
    )
    book = CatalogSpendBook(catalog)
    return EventWriter(EventStream(client), event_store(settings), book, settings.events_lock, observe=observe)


def load_policy(folder: Path) -> Policy:
    """Load the policy in a folder; multiplier 1.0 where there is none. A damaged or foreign one is an error."""
    if not (folder / META).exists():
        logger.warning(f"no policy in {folder}: bidding the value itself; `make models` trains one")
        return policies.neutral()
    return policies.load(folder)


def describe(folder: Path) -> dict[str, Any]:
    """Describe the artefact in a folder; version `prior` where there is none."""
    try:
        meta = msgspec.json.decode((folder / META).read_bytes(), type=Meta)
    except FileNotFoundError:
        return {"version": "prior"}
    told = ("kind", "schema_version", "created", "commit", "trained_on", "metrics")
    return {"version": meta.version} | {name: getattr(meta, name) for name in told}
