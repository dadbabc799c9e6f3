"""Experiments, and the split of traffic between champion and challenger.

Arms with a common budget interfere: what one of them spends the other cannot, so that their difference is not the
difference between serving only the one and only the other. So each arm has its own part of each campaign's money and
the same part of the traffic. Source: the budget-split design, e.g. Liu et al., "Trustworthy
Online Marketplace Experimentation with Budget-split Design" (arXiv 2012.08724), and for auctions with pacing arXiv
2402.07322.
"""

from __future__ import annotations

import hashlib
from typing import Literal, NamedTuple

import msgspec

from rtb.money.accounts import arm_of

Kind = Literal["policy"]


class Split(NamedTuple):
    """The split of traffic between champion and challenger.

    Attributes:
        salt: salt of the experiment, so that each divides users anew.
        share: the challenger's part of the traffic.
    """

    salt: str
    share: float

    def takes(self, unit: str) -> bool:
        """Return whether a unit is the challenger's: a user, or a request without a known user."""
        digest = hashlib.blake2b(unit.encode(), key=self.salt.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.share * 2**64


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment: the running one, or the last one.

    Attributes:
        number: number of the experiment, from 1.
        kind: kind of model that the challenger replaces.
        version: version of the challenger.
        folder: folder from which the challenger was read.
        share: the challenger's part of money and traffic.
        salt: see `Split`.
        started: Unix time of the start.
        ended: Unix time of the end; none while it runs.
        artefact: the challenger, packed (`rtb.models.artefacts.pack`).
    """

    number: int
    kind: Kind
    version: str
    folder: str
    share: float
    salt: str
    started: float
    ended: float | None = None
    artefact: bytes = b""

    @property
    def is_running(self) -> bool:
        """Whether money and traffic are divided."""
        return self.ended is None

    @property
    def split(self) -> Split | None:
        """Split of the traffic; none where it is not divided."""
        return Split(self.salt, self.share) if self.is_running else None

    def arm(self, campaign: int) -> int:
        """Return the account of a campaign's arm."""
        return arm_of(campaign, self.number)


def encode(experiment: Experiment) -> bytes:
    """Return an experiment as bytes, to be published as `rtb.pacing.snapshot.EXPERIMENT`."""
    return msgspec.msgpack.encode(experiment)


def decode(body: bytes) -> Experiment:
    """Return an experiment from bytes.

    Raises:
        msgspec.DecodeError: the bytes are not an experiment.
    """
    return msgspec.msgpack.decode(body, type=Experiment)
