"""The learned bidder as a deployment: probabilities in, priced bids with reserved budget out."""

from __future__ import annotations

from typing import Any

from ray import serve
from redis.exceptions import RedisError

from deployments.background import Background, Work
from deployments.challenge import ChallengerFeed
from deployments.hosts import check_hosts
from deployments.listening import listen_on_node_address
from deployments.models import ModelFeed
from deployments.readiness import LastAnswer, ReplicaReadiness
from deployments.tally import Tally
from deployments.wiring import ledger_client, load_policy, logger
from rtb.auction.stages import Auction, AuctionOutcome, BidStage
from rtb.ledger import LeaseBook, LedgerError, UsageReporter, ValkeyLedger
from rtb.models import policy
from rtb.pacing import snapshot
from rtb.runtime.settings import Settings

_MAINTAIN_SECONDS = 0.1
_REPORT_SECONDS = 1.0
_UNAVAILABLE = (LedgerError, RedisError, OSError)


class RLBidder:
    """The bidding stage of one replica, which keeps its leases and pacing table fresh in the background."""

    def __init__(self) -> None:
        listen_on_node_address()
        settings = Settings()
        check_hosts(settings)
        client = ledger_client(settings)
        ledger = ValkeyLedger(client)
        self._book = LeaseBook(
            ledger,
            seconds=settings.lease_seconds,
            share=settings.lease_fraction,
            notice_ttl=settings.notice_times.usual,
            longest_ttl=settings.notice_times.longest,
            caller_share=settings.caller_share,
        )
        self._stage = BidStage(policy.neutral(), self._book)
        self._feed = ModelFeed("policy", client, settings.policy_dir, load_policy, self._stage.swap_policy)
        self._challenger = ChallengerFeed(client, self._stage.set_challenger)
        self._pacing = snapshot.SnapshotSubscriber(client, snapshot.PACING)
        self._leased = LastAnswer()
        self._usage = UsageReporter(ledger)
        self._tally = Tally(client)
        self._background = Background(
            Work("pacing snapshot", settings.pull_seconds, self._pull, _UNAVAILABLE),
            Work("leases", _MAINTAIN_SECONDS, self._maintain, _UNAVAILABLE),
            Work("usage report", _REPORT_SECONDS, self._report, _UNAVAILABLE),
            Work("published policy", settings.pull_seconds, self._feed.pull, _UNAVAILABLE),
            Work("experiment", settings.pull_seconds, self._challenger.pull, _UNAVAILABLE),
        )

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Serve one policy whatever is published: `{"policy_artefact": folder}`; empty: what is published."""
        await self._feed.pin(config.get("policy_artefact") or "")

    async def artefact(self) -> dict[str, Any]:
        """Describe the policy in use."""
        return self._feed.told

    async def readiness(self) -> ReplicaReadiness:
        """Say what this replica lacks. The last pacing table does, however old: its age is told by the Router."""
        lacks = self._feed.lacks
        if not self._leased.is_fresh() and "ledger" not in lacks:
            lacks.append("ledger")
        return ReplicaReadiness(lacks if self._pacing.version else [*lacks, "pacing"])

    async def decide(self, auction: Auction) -> AuctionOutcome:
        """Run the internal auction of a batch."""
        self._background.start()
        return self._stage.decide(auction)

    async def check_health(self) -> None:
        """Check the replica's health. Serve does so before the first request: by its end it has policy and leases."""
        await self._feed.catch_up()
        await self._catch_up()
        self._background.start()

    async def __del__(self) -> None:
        """Return unused leases when the replica is stopped in an orderly way."""
        self._background.cancel()
        try:
            await self._book.shutdown()
            await self._report()
        except (LedgerError, RedisError) as error:
            logger.warning(f"leases not closed, they end by time-out: {error}")

    async def _catch_up(self) -> None:
        """Fetch pacing table and leases before the first request; go on without where the ledger is unavailable.

        A replica that is added under load gets its part of the bids at once, and would have no money for them.
        """
        if self._background.is_running:
            return
        try:
            await self._pull()
            await self._maintain()
        except _UNAVAILABLE as error:
            logger.warning(f"nothing is leased yet: {error}")

    async def _maintain(self) -> None:
        await self._book.maintain()
        self._leased.note()

    async def _pull(self) -> None:
        body = await self._pacing.pull()
        if body is not None:
            try:
                table = snapshot.decode_pacing(body)
            except ValueError as error:  # a Controller of another version; what was known before holds
                logger.error(f"the pacing table cannot be used, the one before is bid by: {error}")
                return
            self._usage.add(self._stage.set_pacing_table(table, self._pacing.version))

    async def _report(self) -> None:
        self._usage.add(self._stage.drain())
        await self._usage.send()
        leases = self._book.take_counts()
        self._tally.add("lease.granted", leases.granted)
        self._tally.add("lease.refused", leases.refused)
        self._tally.add("lease.held", leases.held)
        self._tally.add("leased_micros", leases.micros)
        await self._tally.flush()


RLBidderDeployment = serve.deployment(RLBidder, name="RLBidder")
