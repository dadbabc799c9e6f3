"""An exchange whose notices are repeated, lost, late and forged."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from rtb.settlement.notice_tokens import BidRef, Kind, Signer
from simulation.exchange.client import HttpClient, Response, TransportError
from simulation.exchange.notices import Settlement, Settler
from simulation.exchange.report import ReplayFigures

_MONEY = (Kind.WIN, Kind.BILL, Kind.LOSS)
_MOST_REPEATS = 3
_LATE_SLACK = 2.0  # delay of a late notice past expiry, in seconds: expiries are whole seconds
_SOMEBODY = Signer("a secret that nobody was told")
_OTHER_BID = BidRef(lease=1, sequence=1, campaign=1, creative=0, ceiling_micros=10**9, expires=2**32 - 1)


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the notices that go wrong, 0 to 1 each."""

    repeated: float = 0.05
    dropped: float = 0.05
    late: float = 0.05
    forged: float = 0.05


@dataclass
class Diary:
    """The actions of the exchange, and the answers it got.

    Attributes:
        owed: acknowledged charges in micros, by bid id.
        did: number of notices that went wrong, by kind of fault.
        forged_accepted: forged notices answered as if they were real.
        late_accepted: notices acknowledged after their bid had expired.
        repeats: answers to repeated notices, by status.
    """

    owed: dict[str, int] = field(default_factory=dict)
    did: Counter[str] = field(default_factory=Counter)
    forged_accepted: int = 0
    late_accepted: int = 0
    repeats: Counter[int] = field(default_factory=Counter)


class FaultySettler(Settler):
    """A sender of notices with faults.

    Args:
        client, figures, retries, retry_seconds: see `Settler`.
        diary: diary to write.
        shares: shares of notices that go wrong.
        notice_ttl: seconds that notices are honoured, in every format.
        seed: seed of the faults.
    """

    def __init__(
        self,
        client: HttpClient,
        figures: ReplayFigures,
        retries: int,
        retry_seconds: float,
        *,
        diary: Diary,
        shares: Shares,
        notice_ttl: float,
        seed: int,
    ) -> None:
        super().__init__(client, figures, retries, retry_seconds)
        self._diary = diary
        self._shares = shares
        self._late_after = notice_ttl + _LATE_SLACK
        self._luck = random.Random(seed)
        self._later: set[asyncio.Task[None]] = set()

    def owed(self, settlement: Settlement, micros: int) -> None:
        """Note a charge as `Settler` does, and also by bid."""
        super().owed(settlement, micros)
        self._diary.owed[settlement.outcome.bid.bid.id] = micros

    async def deliver(self, kind: str, url: str, is_accepted: Callable[[Response], bool]) -> Response | None:
        """Deliver as `Settler` does; drop some, delay some, repeat some, and forge one before some."""
        if self._happens(self._shares.forged, "forged"):
            await self._forge(url)
        if kind in _MONEY and self._happens(self._shares.dropped, "dropped"):
            return None
        if kind in _MONEY and self._happens(self._shares.late, "late"):
            task = asyncio.create_task(self._deliver_late(url))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
            return None
        response = await super().deliver(kind, url, is_accepted)
        if response is not None and self._happens(self._shares.repeated, "repeated"):
            await asyncio.gather(*(self._repeat(url) for _ in range(self._luck.randint(1, _MOST_REPEATS))))
        return response

    async def finish(self) -> None:
        """Finish as `Settler` does, and wait for the late notices."""
        await asyncio.gather(*self._later)

    def _happens(self, share: float, name: str) -> bool:
        happens = self._luck.random() < share
        self._diary.did[name] += happens
        return happens

    async def _deliver_late(self, url: str) -> None:
        await asyncio.sleep(self._late_after)
        status = await self._status(url)
        self._diary.late_accepted += 200 <= status < 300

    async def _repeat(self, url: str) -> None:
        self._diary.repeats[await self._status(url)] += 1

    async def _forge(self, url: str) -> None:
        status = await self._status(self._luck.choice(forgeries(url, self._luck)))
        self._diary.forged_accepted += 200 <= status < 400

    async def _status(self, url: str) -> int:
        """Return the status of the answer, 0 without one; retry nothing."""
        try:
            return (await self._client.get(url)).status
        except TransportError:
            return 0


def forgeries(url: str, luck: random.Random) -> list[str]:
    """Return notice URLs that no bidder signed, made from a real one."""
    parts = urlsplit(url)
    _, prefix, kind, token = parts.path.split("/")
    middle = luck.randrange(1, len(token) - 1)
    flipped = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    names = [
        (kind, flipped),
        (kind, token[:-8]),
        (kind, "".join(luck.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=len(token)))),
        (kind, _SOMEBODY.sign(_OTHER_BID, Kind(kind))),
    ]
    names += [(other.value, token) for other in Kind if other.value != kind]
    return [urlunsplit(parts._replace(path=f"/{prefix}/{name}/{text}")) for name, text in names]
