"""What an experiment is, and which traffic is its challenger's.

Arms that share users but one budget interfere: what one of them spends the other cannot, so the difference between
them is not the difference between serving only the one and only the other. So each arm has its own part of each
campaign's money and the same part of the traffic. Source: the budget-split design, e.g. Liu et al., "Trustworthy
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
    """Which traffic is the challenger's.

    Attributes:
        salt: of the experiment, so that users are divided anew in each.
        share: of the traffic.
    """

    salt: str
    share: float

    def takes(self, unit: str) -> bool:
        """Whether what has this id is the challenger's: a user, or a request of nobody known."""
        digest = hashlib.blake2b(unit.encode(), key=self.salt.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.share * 2**64


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment that runs, or the last one that ran.

    Attributes:
        number: the first is 1.
        kind: what the challenger replaces.
        version: of the challenger's weights.
        folder: where the challenger was read.
        share: of money and traffic, that the challenger gets.
        salt: see `Split`.
        started: Unix time.
        ended: Unix time, none while it runs.
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
        """How traffic is divided, none when it is not."""
        return Split(self.salt, self.share) if self.is_running else None

    def arm(self, campaign: int) -> int:
        """The account of a campaign's arm."""
        return arm_of(campaign, self.number)


def encode(experiment: Experiment) -> bytes:
    """Bytes of an experiment, to be published as `rtb.pacing.snapshot.EXPERIMENT`."""
    return msgspec.msgpack.encode(experiment)


def decode(body: bytes) -> Experiment:
    """An experiment from bytes.

    Raises:
        msgspec.DecodeError: these are not the bytes of one.
    """
    return msgspec.msgpack.decode(body, type=Experiment)
