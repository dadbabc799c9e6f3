"""The ceilings: how fast the same Router behind the same ingress gives a constant answer.

This is the application that benchmarks deploy: the platform's, with two more paths on which a request is read and gets
a constant bid response of usual length: `BARE_PATH` through Serve, as Serve serves any ASGI application, and
`EARLY_PATH` through `deployments.ingress`, as bids do, before Serve's bookkeeping.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ray import serve

from deployments.app import Args, graph
from deployments.asgi import Application
from deployments.ingress import register_front
from deployments.router import Router

BARE_PATH = "/bare"
EARLY_PATH = "/openrtb2/-/bare"
_BODY = b'{"id":"bare","seatbid":[{"bid":[{"id":"1","impid":"1","price":1.0,"adm":"%s"}]}],"cur":"USD"}' % (
    b"-" * 1_100
)
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Beside:
    """An application with the constant answer on two paths, and the platform on all others."""

    is_at_root = False  # `BARE_PATH` is not in the API, and is measured as a call of the API

    def __init__(self, platform: Any) -> None:
        self._platform = platform

    async def admit(self, scope: Scope, receive: Receive, send: Send, then: Application) -> None:
        """Leave calls of the API to Serve."""
        await then(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") not in (BARE_PATH, EARLY_PATH):
            await self._platform(scope, receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})  # Serve adds to them
        await send({"type": "http.response.body", "body": _BODY})


class MeasuredRouter(Router):
    """The Router with the constant answer."""

    def __serve_build_asgi_app__(self) -> Any:
        """Return the application that Serve calls for each request."""
        return _Beside(super().__serve_build_asgi_app__())

    async def check_health(self) -> None:
        """Check health as usual, and install the constant answer on the bid path."""
        await super().check_health()
        register_front(_Beside(self.parts.front))


def build(args: Args) -> serve.Application:
    """Build the platform's graph around such a Router."""
    return graph(args, serve.deployment(serve.ingress()(MeasuredRouter), name="Router"))
