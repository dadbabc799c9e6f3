"""A platform to measure: real models, campaigns with ample budgets, temporary folders."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.ctr_training.fitting import FitOptions
from pipelines.datasets import simulate
from pipelines.train_ctr import train
from raybid.local import Platform
from raybid.local.cluster import Say
from raybid.local.configuration import Graph, Scaling
from rtb.campaigns.campaign import Campaign
from rtb.catalog import Catalog
from rtb.models import ctr, policy
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from simulation import reference
from simulation.campaigns import sample_campaigns

_DEEP_POCKETS_MICROS = 10**13
"""Budgets that no benchmark exhausts: it measures bidding, not its end."""

_IMPRESSIONS = 30_000
"""Impressions to train the CTR model on. More would not change the work per request."""

_TROUBLE = ("timeout", "insufficient_time", "shed_queue", "shed_latency", "stage_failed")
"""Reasons for no bid that are the platform's fault."""

SCALED = ("Router", "CTRModel", "RLBidder")
"""Deployments that scale. The Controller is always single."""

ONE_EACH = {name: {"min_replicas": 1, "initial_replicas": 1, "max_replicas": 1} for name in SCALED}
"""Autoscaling numbers for measurements without scaling: no replica starts in the middle of one."""


class Rig(NamedTuple):
    """A running platform.

    Attributes:
        settings: ports and folders of the platform.
        platform: processes of the platform.
    """

    settings: Settings
    platform: Platform

    @property
    def key(self) -> str:
        """API key of its exchange."""
        return self.settings.resolve_secret("exchange_key")

    def stats(self) -> dict[str, Any]:
        """Return the answer of `/stats`."""
        headers = self.settings.key_headers("admin_key")
        answer = calls.get(f"{self.settings.base_url}/stats", headers=headers, timeout=60)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def unbalanced_micros(self) -> int:
        """Return the difference between the campaigns' pots and their budgets; only valid while nothing moves."""
        pots = ("available_micros", "leased_micros", "reserved_micros", "spent_micros")
        books = self.stats()["campaigns"].values()
        return sum(abs(book["budget_micros"] - sum(book[pot] for pot in pots)) for book in books)

    def counters(self) -> dict[str, int]:
        """Return the counters summed over all replicas."""
        counters: dict[str, int] = self.stats()["counters"]
        return counters


class Counted(NamedTuple):
    """The platform's own counts over a period.

    Attributes:
        requests: bid requests.
        bids: requests that got a bid.
        troubled: requests without a bid because of the platform: too late, shed, or a failed stage.
    """

    requests: int
    bids: int
    troubled: int

    @classmethod
    def between(cls, before: dict[str, int], after: dict[str, int]) -> Counted:
        """Return the counts between two readings of the counters."""
        grown = {name: count - before.get(name, 0) for name, count in after.items()}
        troubled = sum(grown.get(f"no_bid.{reason}", 0) for reason in _TROUBLE)
        return cls(grown.get("requests", 0), grown.get("bid_responses", 0), troubled)


@contextmanager
def rig(
    graph: Graph, campaigns: int, say: Say, scaling: Mapping[str, Scaling] | None = None, **settings: Any
) -> Iterator[Rig]:
    """Run a platform with this many campaigns for the time of the block.

    Args:
        graph: where the stages run.
        campaigns: number of active campaigns.
        say: called with progress, a line at a time.
        scaling: autoscaling numbers by deployment, see `Platform`; None: one replica of each, without scaling.
        settings: further settings.

    Raises:
        LaunchError: the platform does not start.
    """
    with processes.ended_by_signals(), tempfile.TemporaryDirectory(prefix="raybid-bench-") as folder:
        chosen = Settings().model_copy(update={"var_dir": Path(folder), **settings})
        make_models(chosen)
        with closing(Catalog(chosen.catalog_url)) as catalog:
            catalog.add_all(rich_campaigns(campaigns))
        application = "benchmarks.serving.ceiling:build"
        with Platform(chosen, graph, say, application=application, scaling=scaling or ONE_EACH) as platform:
            platform.await_campaigns()
            yield Rig(chosen, platform)


def make_models(settings: Settings, *, neutral: bool = False) -> None:
    """Train a CTR model on a small sample, and take the published policy, or one that multiplies by 1.0."""
    data = simulate(reference.market(), reference.campaigns(), _IMPRESSIONS, 1, lambda _: None)
    trained = train(data, FitOptions(), "platt")
    ctr.save(settings.ctr_dir, trained.network, metrics={}, trained_on="a benchmark", calibration=trained.calibration)
    if neutral:
        policy.save(settings.policy_dir, policy.neutral(), metrics={}, trained_on="nothing")
    else:
        shutil.copytree(reference.POLICY, settings.policy_dir, dirs_exist_ok=True)


def rich_campaigns(count: int) -> list[Campaign]:
    """Return the sample campaigns with budgets that do not run out."""
    return sample_campaigns(count, reference.MARKET_SEED, budget_micros=_DEEP_POCKETS_MICROS)
