"""The Controller: one small replica that paces all campaigns, and publishes what the others bid by."""

from __future__ import annotations

from ray import serve
from redis.exceptions import RedisError

from deployments.bootstrap.controller import controller_parts
from deployments.explain import ExplainReply
from deployments.listening import listen_on_node_address
from deployments.wiring import logger
from rtb.campaigns.stops import Stop
from rtb.catalog import CatalogError
from rtb.events import StreamError
from rtb.explain.records import Parcel

_UNWRITTEN = (RedisError, CatalogError, StreamError, OSError)


class Controller:
    """The deployment around the parts that keep the ledger up, pace, publish, write events and explain bids.

    Attributes:
        parts: its parts.
    """

    def __init__(self) -> None:
        listen_on_node_address()
        self.parts = controller_parts()

    async def check_health(self) -> None:
        """Start the background work, from the replica's event loop: Serve's health check."""
        self.parts.background.start()

    async def refresh(self) -> None:
        """Apply a change of the catalog now rather than at the next tick."""
        self.parts.background.start()
        await self.parts.pacing.tick()

    async def stops(self, told: list[Stop]) -> list[Stop]:
        """Take the stops a Router knows, and return all that are known."""
        return await self.parts.stops.exchange(told)

    async def keep(self, parcel: Parcel) -> None:
        """Store a Router's decisions, so that they can be explained."""
        await self.parts.decisions.keep(parcel)

    async def explain(self, bid_id: str) -> ExplainReply:
        """Explain why a bid was what it was, and what became of it."""
        try:
            await self.parts.events.write()  # so that its notices are found
        except _UNWRITTEN as error:
            logger.warning(f"the last notices of bid {bid_id} are not told: {error}")
        return await self.parts.decisions.explain(bid_id)

    async def __del__(self) -> None:
        """Write what is left, and stop the server that this replica started."""
        self.parts.background.cancel()
        try:
            await self.parts.events.write()
        except _UNWRITTEN as error:
            logger.warning(f"events not written, the next start goes on with them: {error}")
        self.parts.events.close()
        await self.parts.decisions.archive()
        self.parts.decisions.close()
        self.parts.server.stop()


ControllerDeployment = serve.deployment(Controller, name="Controller")
