"""Snapshots of past decisions, loaded for use; the last ones of each kind are cached, as nearby bids share them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from rtb.explain.records import Rules
from rtb.models import features, observation
from rtb.models import policy as policies
from rtb.models.artefacts import ArtefactError, load_packed
from rtb.models.policy import Policy
from rtb.pacing.snapshot import PacingTable, decode_catalog, decode_pacing
from rtb.targeting.catalog_view import CatalogView

if TYPE_CHECKING:
    from rtb.models.ctr import CTRScorer

_KEPT = 4  # of a kind
Loaded = TypeVar("Loaded")


class RecomputeError(RuntimeError):
    """A recorded bid that cannot be reproduced; the message says why."""


class SnapshotSource(Protocol):
    """A source of snapshots."""

    def read_snapshot(self, kind: str, version: str) -> bytes:
        """Return a snapshot; raise `NotKept` where it is not kept."""
        ...


class SnapshotLoader:
    """A loader of snapshots.

    Every call raises `NotKept` where the snapshot is not kept, and `RecomputeError` where this code cannot use it.

    Args:
        snapshots: source of the snapshots.
    """

    def __init__(self, snapshots: SnapshotSource) -> None:
        self._snapshots = snapshots
        self._views: dict[str, CatalogView] = {}
        self._tables: dict[str, PacingTable] = {}
        self._rules: dict[str, Rules] = {}
        self._scorers: dict[str, CTRScorer] = {}
        self._policies: dict[str, Policy] = {}

    def view(self, version: str) -> CatalogView:
        """Return an indexed catalog."""
        return _once(
            self._views, version, lambda: CatalogView(decode_catalog(self._body("catalog", version)), None, version)
        )

    def table(self, version: str) -> PacingTable:
        """Return a pacing table."""
        return _once(self._tables, version, lambda: decode_pacing(self._body("pacing", version)))

    def rules(self, digest: str) -> Rules:
        """Return the rules that requests were read by."""
        return _once(self._rules, digest, lambda: _rules_of(self._body("rules", digest)))

    def scorer(self, version: str) -> CTRScorer:
        """Return a CTR model."""
        from rtb.models.ctr import CTRScorer  # noqa: PLC0415 - who explains needs torch, who records does without

        if version == CTRScorer.untrained().version:
            return CTRScorer.untrained()
        return _once(self._scorers, version, lambda: self._loaded("ctr", version, CTRScorer.load))

    def policy(self, version: str) -> Policy:
        """Return a policy."""
        if version == policies.neutral().version:
            return policies.neutral()
        return _once(self._policies, version, lambda: self._loaded("policy", version, policies.load))

    def _body(self, kind: str, version: str) -> bytes:
        return self._snapshots.read_snapshot(kind, version)

    def _loaded(self, kind: str, version: str, load: Callable[[Path], Loaded]) -> Loaded:
        try:
            return load_packed(self._body(kind, version), load)
        except ArtefactError as error:
            raise RecomputeError(f"the stored {kind} model {version} cannot be used: {error}") from error


def _once(made: dict[str, Loaded], version: str, make: Callable[[], Loaded]) -> Loaded:
    """Return a cached object, or make it and evict the oldest."""
    thing = made.pop(version, None)
    if thing is None:
        thing = make()
        while len(made) >= _KEPT:
            del made[next(iter(made))]
    made[version] = thing
    return thing


def _rules_of(body: bytes) -> Rules:
    rules = msgspec.json.decode(body, type=Rules)
    for name, then, now in (
        ("features", rules.features, features.SCHEMA_VERSION),
        ("observation", rules.observation, observation.SCHEMA_VERSION),
    ):
        if then != now:
            raise RecomputeError(
                f"the bid was made by {name} of version {then}, this code makes {now}: explain it with the release "
                "that made it"
            )
    return rules
