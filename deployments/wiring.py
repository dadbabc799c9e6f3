"""From settings to live parts: clients, models, the embedded ledger server."""

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
from rtb.runtime.exposure import open_fault
from rtb.runtime.settings import Settings
from rtb.runtime.text import visible

logger = logging.getLogger("ray.serve.raybid")
"""Ours, within Serve's: that one is at WARNING where requests are served, since it makes a record of each at INFO."""

logger.setLevel(logging.INFO)


def _one_line(record: logging.LogRecord) -> bool:
    """Keep each record one line: callers choose what is in paths, ids and errors, and would write lines of theirs."""
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
    """A log that a flood of rubbish cannot make flood the disk: the counters have it all."""

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
"""Nothing that somebody waits for waits longer for the ledger than this."""

_WRITER_TIMEOUT_S = 10.0


def guarded_settings() -> Settings:
    """Return the settings of this replica, once they are known to protect what Serve listens on.

    Raises:
        OpenPlatform: others may reach it, and it does without keys.
    """
    settings = Settings()
    listening = []
    if ray.is_initialized():
        listening.append(_get_global_client().http_config.host or "")
    fault = open_fault(settings, listening)
    if fault is not None:
        raise OpenPlatform(fault)
    return settings


class OpenPlatform(RuntimeError):
    """A platform without keys that others may reach; the message says what to set."""


def ledger_client(settings: Settings, *, vetted: bool = True) -> aioredis.Redis:
    """Return a client of the ledger's server; it retries once, so that a restarted server costs no request.

    Args:
        settings: where the server is.
        vetted: whether to refuse a server whose figures nobody has verified since it started: see `rtb.ledger.vetting`.
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
    """The writer of events. It reads many at once in a thread of its own, so it may wait longer than a notice.

    Args:
        settings: where stream and folder are.
        catalog: takes the spend.
        observe: shown the events written.
    """
    client = redis.Redis.from_url(
        settings.ledger_url,
        socket_timeout=_WRITER_TIMEOUT_S,
        socket_connect_timeout=LEDGER_TIMEOUT_S,
        retry=BlockingRetry(NoBackoff(), 1),
    )
    return EventWriter(EventStream(client), settings.events_dir, CatalogSpendBook(catalog), observe=observe)


def load_policy(folder: Path) -> Policy:
    """The policy in a folder; multiplier 1.0 where none was trained yet. A damaged or foreign one is an error."""
    if not (folder / META).exists():
        logger.warning(f"no policy in {folder}: bidding the value itself; `make models` trains one")
        return policies.neutral()
    return policies.load(folder)


def describe(folder: Path) -> dict[str, Any]:
    """What is known of the artefact in a folder; version `prior` where none was trained yet."""
    try:
        meta = msgspec.json.decode((folder / META).read_bytes(), type=Meta)
    except FileNotFoundError:
        return {"version": "prior"}
    told = ("kind", "schema_version", "created", "commit", "trained_on", "metrics")
    return {"version": meta.version} | {name: getattr(meta, name) for name in told}
