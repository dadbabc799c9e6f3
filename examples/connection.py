"""The connection to the platform: RAYBID_URL and RAYBID_KEY, else the one that `make up` started here."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

VAR_DIR = Path(os.environ.get("RAYBID_VAR_DIR", "var"))


@contextmanager
def connect() -> Iterator[httpx.Client]:
    """Yield a client with the platform's URL and key; errors end the program with one line."""
    kept = VAR_DIR / "secrets" / "admin_key"
    key = os.environ.get("RAYBID_KEY") or (kept.read_text().strip() if kept.exists() else "")
    url = os.environ.get("RAYBID_URL", "http://127.0.0.1:8000")
    is_here = httpx.URL(url).host in ("127.0.0.1", "localhost", "::1")
    with httpx.Client(
        base_url=url,
        transport=httpx.HTTPTransport() if is_here else None,  # an explicit one ignores proxies in the environment
        headers={"X-API-Key": key} if key else {},
        timeout=30.0,
        event_hooks={"response": [_refused]},
    ) as client:
        try:
            client.get("/health/live")
        except httpx.TransportError as error:
            sys.exit(f"nothing answers at {client.base_url} ({error}): start one with `make up`, or set RAYBID_URL")
        yield client


def _refused(answer: httpx.Response) -> None:
    if answer.is_error:
        answer.read()
        sys.exit(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
