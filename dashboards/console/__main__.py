"""Start the console beside a running platform.

How to run:

    python -m dashboards.console

    RAYBID_URL              the platform (default: RAYBID_HTTP_HOST and RAYBID_HTTP_PORT, http://127.0.0.1:8000)
    RAYBID_KEY              an API key; default: the administrator's of var/secrets/admin_key, where it is
    RAYBID_VAR_DIR          the platform's folder: its events are read from there
    RAYBID_PROMETHEUS_URL   a Prometheus that scrapes the platform, for figures from before the console was opened
    RAYBID_CONSOLE_PORT     where the console listens (8501)
    RAYBID_CONSOLE_HOST     on which address (127.0.0.1: on this machine only; in a container 0.0.0.0)

What to expect: an address to open in a browser. Whoever reaches it acts with the key, so it listens on loopback: put a
proxy that asks who comes before it, if others are to see it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

APP = Path(__file__).with_name("app.py")
_DEFAULT_PORT = 8501
_ROOT = Path(__file__).resolve().parents[2]


def command(port: int) -> list[str]:
    """What starts the console."""
    host = os.environ.get("RAYBID_CONSOLE_HOST", "127.0.0.1")
    told = ["--server.address", host, "--server.port", str(port), "--server.headless", "true"]
    return [sys.executable, "-m", "streamlit", "run", str(APP), *told]


def main() -> None:
    """Run it until it is stopped."""
    given = os.environ.get("RAYBID_CONSOLE_PORT", "")
    if given and not (given.isdigit() and 0 < int(given) < 65_536):
        sys.exit(f"RAYBID_CONSOLE_PORT is {given!r}: give a port from 1 to 65535")
    port = int(given) if given else _DEFAULT_PORT
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    # In this process's place, so that a signal to it reaches the console.
    os.execve(sys.executable, command(port), {**os.environ, "PYTHONPATH": os.pathsep.join(paths)})


if __name__ == "__main__":
    main()
