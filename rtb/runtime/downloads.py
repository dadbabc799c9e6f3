"""Files at URLs that the operator named: fetched within bounds, and kept as copies on disk."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from rtb.runtime import calls

_MOST_REDIRECTS = 3
_CHUNK = 1 << 16


class DownloadError(ValueError):
    """There is no usable answer; the message says why."""


def is_url(location: str) -> bool:
    """Return whether a location is a URL, not a file."""
    return location.startswith(("http://", "https://"))


def fetch(url: str, *, most_bytes: int, seconds: float) -> bytes:
    """Return what a URL that the operator named answers. It may redirect within its own host only.

    So that another's server cannot make this one call a third, such as one that only this network reaches.

    Raises:
        DownloadError: there is no usable answer.
    """
    until = time.monotonic() + seconds
    for _ in range(1 + _MOST_REDIRECTS):
        try:
            with calls.client(url, timeout=seconds) as client, client.stream("GET", url) as answer:
                if not answer.has_redirect_location:
                    return _body(answer, most_bytes, until, seconds)
                target = urljoin(url, answer.headers["location"])
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DownloadError(f"{type(error).__name__}: {error}") from error
        if not is_url(target) or _host(target) != _host(url):
            raise DownloadError(f"it redirects to {target[:200]}, another host")
        url = target
    raise DownloadError(f"it redirects more than {_MOST_REDIRECTS} times")


class KeptCopy:
    """A copy of a URL on disk, fetched again when it is old. Processes of a machine may share the folder.

    Args:
        url: the URL.
        folder: folder of copies.
        read: function that raises `ValueError` where an answer is no usable file: it never replaces a good copy.
        clock: Unix time.

    Attributes:
        path: path of the copy, whether or not it exists yet.
    """

    def __init__(
        self, url: str, folder: Path, read: Callable[[bytes], object], clock: Callable[[], float] = time.time
    ) -> None:
        self.path = folder / hashlib.sha256(url.encode()).hexdigest()
        self._url, self._read, self._clock = url, read, clock
        self._tried = float("-inf")

    def is_fresh(self, most_seconds: float) -> bool:
        """Return whether there is a copy that is no older."""
        return self.path.exists() and self._clock() - self.path.stat().st_mtime < most_seconds

    def refresh(self, *, most_seconds: float, retry_seconds: float, most_bytes: int, timeout: float) -> None:
        """Fetch the URL where its copy is older than `most_seconds`, at most each `retry_seconds`. Blocks.

        Raises:
            DownloadError, ValueError: there is no usable answer.
            OSError: the folder cannot be written.
        """
        now = self._clock()
        if self.is_fresh(most_seconds) or now - self._tried < retry_seconds:
            return
        self._tried = now
        text = fetch(self._url, most_bytes=most_bytes, seconds=timeout)
        self._read(text)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(text)
        draft.replace(self.path)


def _body(answer: httpx.Response, most_bytes: int, until: float, seconds: float) -> bytes:
    if answer.status_code != httpx.codes.OK:
        raise DownloadError(f"HTTP status {answer.status_code}")
    found = bytearray()
    for chunk in answer.iter_bytes(_CHUNK):
        found += chunk
        if len(found) > most_bytes:
            raise DownloadError(f"it has more than {most_bytes} bytes")
        if time.monotonic() > until:
            raise DownloadError(f"it takes more than {seconds:.0f} s")
    return bytes(found)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower().rstrip(".").removeprefix("www.")
