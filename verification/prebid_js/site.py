"""The web servers that the browser sees: the publisher's, Prebid Server's and the advertiser's, on one port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from verification.prebid_js.advertiser import FILM, HOST, picture
from verification.prebid_js.bundle import bundle
from verification.prebid_js.server_stand_in import PrebidServer

LOOPBACK = "127.0.0.1"
PUBLISHER = "news.example"

_PAGE = Path(__file__).parent / "page"
_AUCTION = "/openrtb2/auction"
_LANDING = "/landing/"


class Site:
    """Everything that is served.

    Args:
        server: the Prebid Server.
        packages: the folder `node_modules`.

    Attributes:
        film: the advertiser's video; the browser records it.
        landed: paths of landing pages that were opened.
        server: the Prebid Server.
        port: where all of it listens.
    """

    def __init__(self, server: PrebidServer, packages: Path) -> None:
        player = packages / "@dailymotion" / "vast-client" / "dist" / "vast-client.min.js"
        self._scripts = {"/prebid.js": bundle(packages), "/vast-client.js": player.read_bytes()}
        self.film = b""
        self.landed: list[str] = []
        self.server = server
        self.port = 0

    @property
    def resolver_rules(self) -> str:
        """Chromium's rules by which the sites' hosts are here and all others are nowhere."""
        here = [f"MAP {host} {LOOPBACK}:{self.port}" for host in (PUBLISHER, HOST)]
        return ",".join([*here, "MAP * ~NOTFOUND", f"EXCLUDE {LOOPBACK}"])

    def content(self, path: str) -> tuple[str, bytes] | None:
        """Return media type and content at a path; none where there is nothing."""
        if path == "/":
            return "text/html", (_PAGE / "index.html").read_bytes()
        if path == "/page.js":
            return "text/javascript", (_PAGE / "page.js").read_bytes()
        if path in self._scripts:
            return "text/javascript", self._scripts[path]
        if path == FILM:
            return "video/webm", self.film
        if path.startswith(_LANDING):
            self.landed.append(path)
            return "text/html", b"<title>Shop</title>"
        image = picture(path)
        return None if image is None else ("image/svg+xml", image)


@contextmanager
def serving(site: Site) -> Iterator[None]:
    """Serve the sites while the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        """A request to one of the sites."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer with what is there."""
            found = site.content(self.path.partition("?")[0])
            self._answer(200, *found) if found else self._answer(404, "text/plain", b"")

        def do_POST(self) -> None:
            """Answer an auction."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != _AUCTION:
                self._answer(404, "text/plain", b"")
            else:
                self._answer(200, "application/json", site.server.answer(body))

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        site.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
