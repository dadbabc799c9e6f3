"""One replay from start to end: send requests, check answers, hold auctions, send notices."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulation.exchange.auction import Kind, draw_market_price, hold
from simulation.exchange.client import HttpClient, TransportError
from simulation.exchange.notices import Settlement, Settler
from simulation.exchange.protocol import CheckedBid, OfferedImp, OfferedRequest, check_response, read_request
from simulation.exchange.report import ReplayFigures
from simulation.exchange.sources import Offer, from_files, from_market

DEFAULT_SECONDS = 30.0
"""Duration of simulated traffic when none is given."""

_BID_PATH = "/openrtb2/bid"
_BACKLOG_SECONDS = 1.0  # how far behind its rate a replay may fall and still catch up; older requests are dropped
_NAP_SECONDS = 0.1  # longest sleep before checking whether to stop
_NO_KEY = (401, 403, 404, 429)  # the key or the path is wrong, so the next request would fail too
_NOWHERE = OfferedImp(0.0, "USD", frozenset(), False)  # the imp of a bid for an imp that was not offered

OnTick = Callable[[ReplayFigures], None]


class Unreachable(ConnectionError):
    """An error when nothing listens at the platform's address."""


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """Options of a replay.

    Attributes:
        url: base URL of the platform.
        requests: request files; empty: the market simulator.
        rate: requests per second; 0: as fast as the connections allow.
        connections: maximum bid requests in flight; as many notices may be in flight as well.
        duration: seconds; None: no time limit.
        count: requests; None: no limit. Without either limit, files are sent once and simulated traffic for 30 s.
        auction: second or first price.
        seed: seed of simulated traffic and of random draws.
        key: the `X-API-Key` of bid requests; empty: none.
        ca: file of CA certificates trusted besides the system's, for https; None: only the system's.
        timeout_seconds: timeout of one answer.
        retries: how often a notice is resent.
        retry_seconds: wait before the first retry of a notice; it doubles with each.
        drain_seconds: longest wait for outstanding answers and notices at the end.
        tick_seconds: interval of reports.
    """

    url: str = "http://127.0.0.1:8000"
    requests: tuple[Path, ...] = ()
    rate: float = 0.0
    connections: int = 16
    duration: float | None = None
    count: int | None = None
    auction: Kind = "second"
    seed: int = 1
    key: str = ""
    ca: Path | None = None
    timeout_seconds: float = 5.0
    retries: int = 3
    retry_seconds: float = 0.1
    drain_seconds: float = 10.0
    tick_seconds: float = 0.5

    def __post_init__(self) -> None:
        if self.connections < 1 or self.rate < 0 or self.tick_seconds <= 0:
            raise ValueError("connections must be at least 1, rate at least 0 and tick_seconds above 0")

    @property
    def seconds(self) -> float | None:
        """The time limit that applies."""
        if self.duration is None and self.count is None and not self.requests:
            return DEFAULT_SECONDS
        return self.duration


MakeSettler = Callable[[HttpClient, ReplayFigures, int, float], Settler]


async def run(
    options: ReplayOptions, on_tick: OnTick | None = None, make_settler: MakeSettler = Settler
) -> ReplayFigures:
    """Replay, and return the figures once all notices are sent.

    To end early, cancel the task: it sends no more requests, still waits (at most `drain_seconds`) for outstanding
    answers and notices, and reports the final figures to `on_tick` before it ends.

    Args:
        options: what to replay.
        on_tick: called with the figures, always the same object, every `tick_seconds` and once at the end.
        make_settler: factory of the sender of notices, to simulate a faulty exchange.

    Raises:
        Unreachable: nothing listens at the URL.
        OSError: a file cannot be read, including the certificates.
        SourceError: the files contain no request.
    """
    async with HttpClient(options.timeout_seconds, options.ca) as client:
        figures = ReplayFigures()
        for path in options.requests:
            path.open("rb").close()  # report a missing file before anything is sent
        try:
            await client.probe(options.url)
        except TransportError as error:
            raise Unreachable(str(error)) from error
        await _Replay(options, client, figures, make_settler).run(on_tick or (lambda _: None))
        return figures


class _Pace:
    """A clock that tells when the next request is due.

    Args:
        rate: requests per second; 0: at once.
        deadline: loop time after which no request is due; None: never.
        stop: event after which no request is due.
    """

    def __init__(self, rate: float, deadline: float | None, stop: asyncio.Event) -> None:
        self._interval = 1.0 / rate if rate else 0.0
        self._deadline = deadline
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time()

    async def turn(self) -> bool:
        """Wait until a request is due; return False when none will be."""
        due = max(self._next, self._loop.time() - _BACKLOG_SECONDS) if self._interval else self._loop.time()
        self._next = due + self._interval
        if self._deadline is not None and due >= self._deadline:
            return False
        while (wait := due - self._loop.time()) > 0 and not self._stop.is_set():
            await asyncio.sleep(min(wait, _NAP_SECONDS))
        return not self._stop.is_set()


class _Replay:
    """The state of one replay: bidder tasks take offers, settler tasks send the notices."""

    def __init__(
        self, options: ReplayOptions, client: HttpClient, figures: ReplayFigures, make_settler: MakeSettler
    ) -> None:
        self._options = options
        self._client = client
        self._figures = figures
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        deadline = None if options.seconds is None else self._started + options.seconds
        self._pace = _Pace(options.rate, deadline, self._stop)
        self._offers = _offers(options, figures)
        self._taken = 0
        self._bidding = True
        # Bounded, so that a platform slow to take notices slows the bidding instead of filling memory.
        self._outbox: asyncio.Queue[Settlement] = asyncio.Queue(4 * options.connections)
        self._unsettled = 0
        self._settler = make_settler(client, figures, options.retries, options.retry_seconds)
        self._bid_url = options.url.rstrip("/") + _BID_PATH
        key = f"X-API-Key: {options.key}\r\n" if options.key else ""
        self._headers = f"Content-Type: application/json\r\nX-OpenRTB-Version: 2.6\r\n{key}"

    async def run(self, on_tick: OnTick) -> None:
        """Send requests, wait for outstanding answers, report."""
        several = range(self._options.connections)
        settlers = [asyncio.create_task(self._settle()) for _ in several]
        bidders = [asyncio.create_task(self._bid()) for _ in several]
        ticker = asyncio.create_task(self._tick(on_tick))
        bidding = asyncio.create_task(asyncio.wait(bidders, return_when=asyncio.FIRST_EXCEPTION))
        try:
            # Settlers and ticker run until cancelled: one that has finished has failed.
            await asyncio.wait([bidding, *settlers, ticker], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            try:
                await self._drain(bidders)
            finally:
                await _cancel([bidding, *bidders, *settlers, ticker])
                on_tick(self._figures)
        for task in (*bidders, *settlers, ticker):
            if not task.cancelled():
                task.result()  # a source that cannot be read ends the replay with its error

    async def _drain(self, bidders: list[asyncio.Task[None]]) -> None:
        """Wait for outstanding answers, then for their notices, within the allowed time."""
        try:
            async with asyncio.timeout(self._options.drain_seconds):
                await asyncio.wait(bidders)
                self._clock()
                self._bidding = False
                await self._outbox.join()
                await self._settler.finish()
        except TimeoutError:
            pass
        finally:
            if self._unsettled:
                self._figures.errors["notices_abandoned"] += self._unsettled

    async def _tick(self, on_tick: OnTick) -> None:
        before, then = 0, self._started
        while True:
            await asyncio.sleep(self._options.tick_seconds)
            now = self._loop.time()
            self._clock()
            self._figures.recent_qps = (self._figures.requests - before) / (now - then)
            before, then = self._figures.requests, now
            on_tick(self._figures)

    def _clock(self) -> None:
        if self._bidding:
            self._figures.seconds = self._loop.time() - self._started

    async def _bid(self) -> None:
        while (offer := await self._take()) is not None:
            await self._ask(offer)

    async def _take(self) -> Offer | None:
        """Return the next offer when it is due, None when there is none."""
        if self._options.count is not None and self._taken >= self._options.count:
            return None
        self._taken += 1
        return next(self._offers, None) if await self._pace.turn() else None

    async def _ask(self, offer: Offer) -> None:
        """Send one request and handle its answer."""
        figures = self._figures
        figures.requests += 1
        sent = time.perf_counter()
        try:
            response = await self._client.post(self._bid_url, offer.body, self._headers)
        except TransportError:
            figures.errors["bid_transport"] += 1
            return
        latency = time.perf_counter() - sent
        figures.latencies.add(latency)
        figures.statuses[response.status] += 1
        if response.status >= 500:
            figures.errors["bid_5xx"] += 1
        elif response.status in _NO_KEY:
            figures.errors["bid_refused"] += 1
        elif response.status in (204, 400) and response.body:
            rule = f"body_with_{response.status}"
            figures.errors[rule] += 1
            figures.violations[rule] += 1
            figures.invalid_responses += 1
        elif response.status == 200:
            await self._judge(offer, response.body, latency)

    async def _judge(self, offer: Offer, body: bytes, latency: float) -> None:
        """Check a 200 and hold its auctions."""
        figures = self._figures
        request = read_request(offer.body)
        checked = check_response(body, request)
        figures.answers += bool(checked.bids)
        figures.bids += len(checked.bids)
        figures.violations.update(checked.violations)
        figures.invalid_responses += bool(checked.violations)
        figures.late += request.tmax_ms is not None and latency * 1e3 > request.tmax_ms
        by_imp: dict[str, list[CheckedBid]] = defaultdict(list)
        for bid in checked.bids:
            by_imp[bid.bid.impid].append(bid)
        for imp_id, bids in by_imp.items():
            await self._hold(offer, request, imp_id, bids)

    async def _hold(self, offer: Offer, request: OfferedRequest, imp_id: str, bids: list[CheckedBid]) -> None:
        chance = offer.chance(imp_id)
        imp = request.imps.get(imp_id, _NOWHERE)
        cpm, currency = imp.floor_of(bids[0].bid)
        floor = cpm if currency == bids[0].currency else 0.0
        drawn = draw_market_price(chance, floor)
        market = drawn if offer.market_cpm is None else offer.market_cpm
        click, conversion = chance.random(), chance.random()
        for outcome in hold(bids, market, floor, self._options.auction):
            self._figures.wins += outcome.won
            self._figures.losses += not outcome.won
            self._unsettled += 1
            await self._outbox.put(Settlement(outcome, request.id, offer.audience, click, conversion))

    async def _settle(self) -> None:
        while True:
            settlement = await self._outbox.get()
            await self._settler.settle(settlement)
            self._unsettled -= 1
            self._outbox.task_done()


def _offers(options: ReplayOptions, figures: ReplayFigures) -> Iterator[Offer]:
    if not options.requests:
        return from_market(options.seed, options.auction)
    endless = options.duration is not None or options.count is not None
    return from_files(options.requests, options.seed, endless=endless, on_bad_line=figures.note_bad_line)


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
