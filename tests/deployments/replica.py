"""A Router in this process that answers as a test tells it to, behind the door of the real one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import yaml
from starlette import responses

from deployments.api.access import CALLER, Caller
from deployments.bid_endpoint import BidEndpoint
from deployments.fast_path import FastPath
from deployments.guard import AccessGuard
from deployments.metrics import Timings
from deployments.notice_endpoint import NoticeEndpoint
from deployments.notice_handler import NoticeHandler
from deployments.scaling import HeldRequests
from deployments.sync_endpoint import SyncEndpoint
from deployments.wiring import LimitedLog
from rtb import exchanges
from rtb.auction.admission import ShedReason
from rtb.auction.batch import Answer, Prepared
from rtb.auction.edge import Edge
from rtb.catalog import KeyRing, configured_keys
from rtb.ledger import MemoryLedger
from rtb.runtime.rate_limits import Limiter
from rtb.runtime.settings import Settings
from rtb.settlement.charging import Charging
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.listing import Listing
from rtb.targeting.users import UserKeys
from rtb.user_sync import SyncIds, UserSyncs
from tests.rtb.builders import make_campaign, make_request, to_json

KEY = "a key of an exchange"
USER_SECRET = "a secret of the tests for users"
BODY = to_json(make_request())
BID = msgspec.json.encode({"id": "request", "seatbid": [{"bid": [{"id": "1", "adm": "<b>" * 1_000}]}]})


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Replica:
    """A Router that answers every request with the same bytes, and may be told to be slow, full or broken."""

    def __init__(self, folder: Path, client: Any = None, **settings: Any) -> None:
        usual: dict[str, Any] = {"admin_key": "the administrator", "require_exchange_key": False}
        given = Settings(var_dir=folder, **usual | settings)
        keys = KeyRing(cast(Any, None), configured_keys(given))  # no database is asked
        limiter: Any = Limiter(client, expected=1) if client is not None else None
        self.exchanges = exchanges.load(given.exchanges_dir)
        self.counters: Counter[str] = Counter()
        guard = AccessGuard(given, self.add, lambda line: None)
        signer = Signer("a secret of the tests, and long")
        self.edge = edge = Edge(
            signer=signer,
            users=UserKeys(USER_SECRET),
            base_url="https://bid.example",
            currency="USD",
            max_imps=8,
            max_candidates=4,
        )
        edge.set_catalog([Listing(1, make_campaign())])  # something to sell, or nobody is asked
        self.answer: Callable[[Prepared], Any] = lambda _: Answer(BID)
        self.shed: ShedReason | None = None
        self.asked: list[float] = []
        self.prepared: list[Prepared] = []
        charging = Charging(self.exchanges, {}, 1_800.0)
        notices = NoticeHandler(signer, MemoryLedger(), edge, charging=charging, exchanges=self.exchanges)
        self.rest = Rest()
        ours: Any = self  # runs the auctions and counts
        held, log = HeldRequests(), LimitedLog()
        bids = BidEndpoint(given, self.exchanges, keys, guard, limiter, edge, ours, ours, held, log)
        self.door = FastPath(
            bids,
            NoticeEndpoint(notices, guard, ours, held, log),
            SyncEndpoint(UserSyncs(SyncIds(USER_SECRET)), self.exchanges, guard, ours, given.max_header_bytes),
            cast(Any, self.rest),
            guard,
            held,
            Timings(ours),
        )

    def add(self, name: str, amount: int = 1) -> None:
        self.counters[name] += amount

    def sheds(self, seconds: float) -> ShedReason | None:
        self.asked.append(seconds)
        return self.shed

    async def bid(self, request: Prepared, deadline: float, since: float) -> Answer:
        self.prepared.append(request)
        answer = self.answer(request)
        return await answer if asyncio.iscoroutine(answer) else answer

    async def send(
        self,
        body: bytes = BODY,
        path: str = "/openrtb2/bid",
        method: str = "POST",
        query: bytes = b"",
        **headers: str | bytes,
    ) -> Response:
        sent: list[Any] = []
        pieces = [body[:100], body[100:]]
        messages = [
            {"type": "http.request", "body": piece, "more_body": place == 0} for place, piece in enumerate(pieces)
        ]
        named = [
            (name.replace("_", "-").encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in headers.items()
        ]
        scope = {"type": "http", "method": method, "path": path, "headers": named, "query_string": query}

        async def receive() -> Any:
            return messages.pop(0)

        async def collect(message: Any) -> None:
            sent.append(message)

        await self.door(scope, receive, collect)
        start, end = sent
        if start["status"] in (200, 204):
            assert not messages
        told = {name.decode(): value.decode() for name, value in start["headers"]}
        if start["status"] != 204:
            assert int(told["content-length"]) == len(end["body"])
        return Response(start["status"], told, end["body"])

    def ask(self, *args: Any, **options: Any) -> Response:
        return asyncio.run(self.send(*args, **options))

    def reason(self) -> str:
        """Return the one reason counted since the last call."""
        found = [name for name in self.counters if name.startswith(("no_bid.", "invalid."))]
        self.counters.clear()
        (reason,) = found
        return reason


class Rest:
    """An API with one path that is for everybody, `/open`; nobody may ask for others."""

    def __init__(self) -> None:
        self.gate = self
        self.at_once = self.most_at_once = 0

    def is_open(self, path: str) -> bool:
        return path == "/open"

    def refusal(self, scope: Any) -> responses.Response | None:
        scope[CALLER] = Caller(None)
        return None if scope["path"] == "/open" else responses.Response("rest", 404)

    async def __call__(self, _: Any, __: Any, send: Any) -> None:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        await responses.Response("open")({"type": "http"}, __, send)


def with_profile(folder: Path, **fields: Any) -> Replica:
    profiles = folder / "exchanges"
    profiles.mkdir()
    (profiles / "acme.yaml").write_text(yaml.safe_dump({"name": "acme", **fields}))
    return Replica(folder, exchanges_dir=profiles, exchange_keys=f"{KEY},another key of the tests")
