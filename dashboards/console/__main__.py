"""Start the console beside a running platform.

How to run:

    python -m dashboards.console

    RAYBID_URL              the platform (default: RAYBID_HTTP_HOST and RAYBID_HTTP_PORT, http://127.0.0.1:8000)
    RAYBID_KEY              an API key; default: the administrator's of var/secrets/admin_key, where it is
    RAYBID_VAR_DIR          the platform's folder, which has its events
    RAYBID_PROMETHEUS_URL   a Prometheus that scrapes the platform, for figures from before the console was opened
    RAYBID_CONSOLE_PORT     port of the console (8501)
    RAYBID_CONSOLE_HOST     address it listens on (127.0.0.1: this machine only; in a container 0.0.0.0)
    RAYBID_CONSOLE_NAMES    host names, besides loopback, that may open it, comma-separated
    RAYBID_CONSOLE_TOKEN    what opens it, 16 characters or more; default: that of var/secrets/console_token, made there

What to expect: an address with a token, to open in a browser. Whoever opens it acts with the key, so it listens on
loopback: to share it, put an authenticating proxy with TLS in front.
"""

from __future__ import annotations

import os
import re
import sys
from ipaddress import ip_address
from pathlib import Path

from starlette.middleware import Middleware
from streamlit.starlette import App

from dashboards.console.guard import Guard
from rtb.runtime.settings import Settings

APP = Path(__file__).with_name("app.py")
_DEFAULT_PORT = 8501
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")


def application(token: str, names: list[str], port: int) -> App:
    """Return the console behind its guard."""
    hosts = frozenset([*_LOOPBACK, *names])
    return App(APP, middleware=[Middleware(Guard, token=token, hosts=hosts, cookie=f"raybid_console_{port}")])


def options(host: str, port: int) -> dict[str, object]:
    """Return Streamlit's options, overriding any file of the user's."""
    return {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.enableCORS": True,  # it blocks other origins, despite its name
        "server.enableXsrfProtection": True,
        "server.xsrfCookieSameSite": "strict",
        "server.enableStaticServing": False,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.disableDataExport": True,  # its CSV does not neutralise formulas; ours does
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
    }


def _port() -> int:
    given = os.environ.get("RAYBID_CONSOLE_PORT", "")
    if given and not (given.isdigit() and 0 < int(given) < 65_536):
        sys.exit(f"RAYBID_CONSOLE_PORT is {given!r}: give a port from 1 to 65535")
    return int(given) if given else _DEFAULT_PORT


def _token() -> str:
    try:
        token = Settings().resolve_secret("console_token")
    except (OSError, ValueError) as error:  # it cannot be stored, or a setting is invalid
        sys.exit(f"{error}\nthe console needs its token: set RAYBID_CONSOLE_TOKEN")
    if not _TOKEN.fullmatch(token):
        sys.exit("RAYBID_CONSOLE_TOKEN is too weak: give 16 or more of A-Z, a-z, 0-9, _ and -")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def main() -> None:
    """Run the console until it is stopped."""
    port, host, token = _port(), os.environ.get("RAYBID_CONSOLE_HOST", "127.0.0.1"), _token()
    names = [name.strip().lower() for name in os.environ.get("RAYBID_CONSOLE_NAMES", "").split(",") if name.strip()]
    shown = names[0] if names else host if _is_loopback(host) else "127.0.0.1"
    sys.stdout.write(f"Raybid's console: http://{f'[{shown}]' if ':' in shown else shown}:{port}/?token={token}\n")
    sys.stdout.flush()
    application(token, names, port).run(config=options(host, port))


if __name__ == "__main__":
    main()
