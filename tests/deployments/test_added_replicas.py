"""A replica that is added under load bids with its first request: over a real server, without Serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
import redis.asyncio as aioredis

from deployments.app import LocalStages
from deployments.rl_bidder import RLBidder
from deployments.router import Router
from rtb.auction.stages import Auction
from rtb.ledger import Terms, ValkeyLedger
from rtb.pacing import snapshot
from rtb.targeting.listing import Listing
from tests.conftest import Valkey
from tests.rtb.builders import make_campaign, make_table

LISTINGS = [Listing(1, make_campaign(value=10_000_000_000, max_bid=5_000))]
BUDGET = 1_000_000_000


class Bidder(RLBidder):
    """Without Serve, nobody awaits this."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


async def publish(client: aioredis.Redis) -> None:
    """Publish what the Controller of a running platform does."""
    await ValkeyLedger(client).open(1, Terms(BUDGET))
    publisher = snapshot.SnapshotPublisher(client)
    await publisher.publish(snapshot.CATALOG, snapshot.encode_catalog(LISTINGS))
    await publisher.publish(snapshot.PACING, snapshot.encode_pacing(make_table(LISTINGS)))


def run(valkey: Valkey, body: Callable[[aioredis.Redis], Awaitable[None]]) -> None:
    async def main() -> None:
        async with valkey.client() as client:
            await publish(client)
            await valkey.vet()
            await body(client)
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in others:  # a client's time-out may take a cancellation for its own: then it is told again
                    task.cancel()
                await asyncio.wait(others, timeout=0.2)

    asyncio.run(main())


def test_a_bidder_has_pacing_and_money_before_its_first_request(environment: Valkey) -> None:
    async def body(client: aioredis.Redis) -> None:
        bidder = Bidder()
        await bidder.check_health()
        # No await that yields in between: what is there now is what the first request finds.
        decisions = bidder._stage.decide(one_candidate())
        assert decisions.candidate.tolist() == [0]
        assert decisions.unpaid.tolist() == []
        (balance,) = await ValkeyLedger(client).balances([1])
        assert balance.leased > 0
        assert balance.available + balance.leased + balance.reserved + balance.spent == BUDGET

    run(environment, body)


def test_a_router_knows_the_campaigns_before_its_first_request(environment: Valkey) -> None:
    async def body(client: aioredis.Redis) -> None:
        router = Router(Stages, None)
        await router.check_health()
        assert router.parts.trading.edge.campaigns == 1
        assert router.parts.replica.snapshots.paced_at is not None
        router.parts.stores.catalog.close()

    run(environment, body)


def test_replicas_start_while_the_ledger_is_away(
    environment: Valkey, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    async def body(client: aioredis.Redis) -> None:
        monkeypatch.setenv("RAYBID_REDIS_URL", f"redis://127.0.0.1:{free_port}/0")
        bidder = Bidder()
        await bidder.check_health()
        assert bidder._stage.decide(one_candidate()).candidate.tolist() == []

    run(environment, body)


class Stages(LocalStages):
    """Stages of which this asks nothing."""

    def __init__(self) -> None:
        pass

    async def check_health(self) -> None:
        pass


def one_candidate() -> Auction:
    return Auction(
        imp=np.zeros(1, np.intp),
        campaign=np.ones(1, np.int32),
        probability=np.full((1, 2), 0.5, np.float32),
        floor_micros=np.zeros(1, np.int64),
        first_price=np.zeros(1, np.bool_),
    )
