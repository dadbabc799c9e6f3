"""The ledger's server: the embedded one is kept running; the durability of any is logged."""

from __future__ import annotations

import asyncio

from deployments.wiring import logger
from rtb.ledger import DurabilityWatch, embedded
from rtb.runtime.settings import Settings


class LedgerServer:
    """The server of the ledger, started by this process where nobody else did."""

    def __init__(self, settings: Settings, durability: DurabilityWatch) -> None:
        self._settings = settings
        self._durability = durability
        self._server: embedded.EmbeddedServer | None = None

    def keep_up(self) -> None:
        """Start the embedded server unless another process did, and again when it died."""
        if self._server is not None and not self._server.is_running:
            logger.warning("the embedded ledger server is gone: starting it again from its append-only file")
            self._server = None
        if self._server is None:
            self._server = embedded.start_if_needed(self._settings, stays=True)
            if self._server is not None:
                logger.info(f"embedded ledger server on port {self._settings.ledger_port}")

    async def watch(self) -> None:
        """Keep the embedded server running, without blocking the event loop."""
        await asyncio.to_thread(self.keep_up)

    async def look_at_durability(self) -> None:
        """Log how the server keeps what it acknowledges, when that changed."""
        before = self._durability.found
        await self._durability.look()
        found = self._durability.found
        if found != before:
            say = logger.info if found.is_safe else logger.warning
            say(f"ledger durability: {found}")

    def stop(self) -> None:
        """Stop the embedded server, where this process started it."""
        if self._server is not None:
            self._server.stop()
