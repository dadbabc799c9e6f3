"""A bidder for tests: a real HTTP server on loopback whose every answer a test can script, down to the bytes."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    """Encode an answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def no_bid(_: dict[str, Any]) -> bytes:
    return http(204)


class Server:
    """Serves whatever `answer(method, path, body)` returns; `b""` closes the connection without an answer.

    Attributes:
        connections: how many were accepted.
        headers: of the last request, names in lower case.
        gate: answers wait until it is set.
    """

    def __init__(self, answer: Callable[[str, str, bytes], bytes]) -> None:
        self._answer = answer
        self.connections = 0
        self.headers: dict[str, str] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                method, path, _ = lines[0].split(" ")
                self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
                body = await reader.readexactly(int(self.headers.get("content-length", 0)))
                answer = self._answer(method, path, body)
                await self.gate.wait()
                writer.write(answer)
                if not answer or b"connection: close" in answer.lower():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class FakePlatform:
    """A platform that bids as a test says and takes notices.

    Args:
        bid: answers a decoded bid request with the bytes of an HTTP answer.
        notice_status: answers a notice, given its kind and how many of that kind came before.

    Attributes:
        requests: bodies of the bid requests, as received.
        keys: `X-API-Key`s of the bid requests, None for a request without one.
        notices: (kind, token, query) of every notice received.
        accepted: notices answered below 400, by kind.
    """

    def __init__(
        self,
        bid: Callable[[dict[str, Any]], bytes] | None = None,
        notice_status: Callable[[str, int], int] = lambda kind, _: 302 if kind == "click" else 204,
    ) -> None:
        self._bid = bid or self.good_bid
        self._notice_status = notice_status
        self._server = Server(self._answer)
        self.gate = self._server.gate
        self.keys: set[str | None] = set()
        self.requests: list[bytes] = []
        self.notices: list[tuple[str, str, dict[str, str]]] = []
        self.accepted: Counter[str] = Counter()
        self._received: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return self._server.url

    async def __aenter__(self) -> FakePlatform:
        await self._server.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.__aexit__()

    def of_kind(self, kind: str) -> list[tuple[str, dict[str, str]]]:
        return [(token, query) for got, token, query in self.notices if got == kind]

    def good_bid(self, request: dict[str, Any]) -> bytes:
        return http(200, json.dumps(self.response(request)).encode())

    def response(self, request: dict[str, Any], price: float = 2.0) -> dict[str, Any]:
        """Build a valid answer with one bid for each imp."""
        bids = [self.bid(request["id"], imp, price) for imp in request["imp"]]
        return {"id": request["id"], "bidid": "r1", "cur": "USD", "seatbid": [{"seat": "s1", "bid": bids}]}

    def bid(self, request_id: str, imp: dict[str, Any], price: float) -> dict[str, Any]:
        token = f"{request_id}.{imp['id']}"
        return {
            "id": token,
            "impid": imp["id"],
            "price": price,
            "nurl": f"{self.url}/notice/win/{token}?price=${{AUCTION_PRICE}}&least=${{AUCTION_MIN_TO_WIN}}",
            "burl": f"{self.url}/notice/bill/{token}?price=${{AUCTION_PRICE}}&imp=${{AUCTION_IMP_ID}}",
            "lurl": f"{self.url}/notice/loss/{token}?code=${{AUCTION_LOSS}}&least=${{AUCTION_MIN_TO_WIN}}",
            "adm": f'<a href="{self.url}/notice/click/{token}?a=1&amp;b=2"><img src="x"></a>',
            "adomain": ["advertiser.example"],
            "cid": "camp-001",
            "crid": "camp-001:300x250",
            "w": 300,
            "h": 250,
            "mtype": 1,
        }

    def _answer(self, method: str, path: str, body: bytes) -> bytes:
        if method == "POST" and path == "/openrtb2/bid":
            self.requests.append(body)
            self.keys.add(self._server.headers.get("x-api-key"))
            return self._bid(json.loads(body))
        parts = urlsplit(path)
        kind, token = parts.path.removeprefix("/notice/").split("/", 1)
        self.notices.append((kind, token, {k: v[0] for k, v in parse_qs(parts.query).items()}))
        status = self._notice_status(kind, self._received[kind])
        self._received[kind] += 1
        self.accepted[kind] += status < 400
        location = (f"Location: https://shop.example/?rb_click=c-{token}&x=1",) if status == 302 else ()
        return http(status, b"", *location) if status else b""
