"""A client of the platform's REST API."""

from __future__ import annotations

import time
import uuid
from collections import deque
from threading import Lock
from typing import Any, NamedTuple

import httpx

from rtb.runtime import calls

_TIMEOUT_S = 10.0
_KEPT_CALLS = 2_000
_BRIEFLY_S = 0.8
"""Seconds that an answer is cached, so that one drawing asks once."""


class ApiError(RuntimeError):
    """An error when the platform cannot be reached, or refuses; the message says what to do.

    Attributes:
        status: HTTP status, 0 without an answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ApiCall(NamedTuple):
    """A call that was answered.

    Attributes:
        at: Unix time of the answer.
        seconds: time from the first byte sent to the last one read.
        path: path called.
    """

    at: float
    seconds: float
    path: str


class ConsoleApi:
    """A client with one key, usable from several threads.

    Args:
        url: URL of the platform.
        key: `X-API-Key`; empty: none is sent.
        transport: transport of the calls; none: the network.
    """

    def __init__(self, url: str, key: str, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"X-API-Key": key} if key else {}
        self._client = calls.client(url, headers=headers, timeout=_TIMEOUT_S, transport=transport)
        self._url = url
        self._known: dict[str, tuple[float, Any]] = {}
        self._lock = Lock()
        self.calls: deque[ApiCall] = deque(maxlen=_KEPT_CALLS)

    def get(self, path: str) -> Any:
        """Return the answer of a GET, cached for a moment.

        Raises:
            ApiError: it fails.
        """
        with self._lock:
            at, known = self._known.get(path, (0.0, None))
            if time.monotonic() - at > _BRIEFLY_S:
                answer = self._sent("GET", path)
                is_json = "json" in answer.headers.get("content-type", "")
                known = answer.json() if is_json else answer.text
                self._known[path] = (time.monotonic(), known)
            return known

    def all_campaigns(self) -> list[dict[str, Any]]:
        """Return all campaigns but archived ones, from all pages.

        Raises:
            ApiError: it fails.
        """
        found: list[dict[str, Any]] = []
        while True:
            after = f"?after={found[-1]['number']}" if found else ""
            page = self.get(f"/campaigns{after}")
            found += page
            if len(page) < _PAGE:
                return found

    def send(self, method: str, path: str, body: Any = None, version: int | None = None) -> Any:
        """Change something, and return the API's answer.

        Args:
            method: HTTP method.
            path: path of the change.
            body: sent as JSON.
            version: version to change, for `If-Match`: refused if it is not the current one.

        Raises:
            ApiError: it is refused, or not answered.
        """
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        if method == "POST":
            headers["Idempotency-Key"] = uuid.uuid4().hex
        answer = self._sent(method, path, headers=headers, **({} if body is None else {"json": body}))
        with self._lock:
            self._known.clear()
        return answer.json() if answer.content else None

    def _sent(self, method: str, path: str, **told: Any) -> httpx.Response:
        began = time.perf_counter()
        try:
            answer = self._client.request(method, path, **told)
        except httpx.HTTPError as error:
            raise ApiError(
                f"{self._url} does not answer ({type(error).__name__}): start the platform with `make run`, or set "
                "RAYBID_URL to where it is"
            ) from error
        self.calls.append(ApiCall(time.time(), time.perf_counter() - began, path.partition("?")[0]))
        if answer.is_error and not (path == "/health" and answer.status_code == 503):  # a 503 says what is unavailable
            raise ApiError(_refusal(path, answer), answer.status_code)
        return answer


_PAGE = 1_000
_ADVICE = {
    401: "set RAYBID_KEY, or RAYBID_VAR_DIR to the platform's folder, whose key is in secrets/admin_key",
    403: "set RAYBID_KEY to a key with the scope `admin`",
    412: "somebody else has changed it: reload it and repeat the change",
    429: "choose a longer refresh",
}


def _refusal(path: str, answer: httpx.Response) -> str:
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:200]
    advice = _ADVICE.get(answer.status_code)
    return f"{path} answers {answer.status_code}: {detail}" + (f" ({advice})" if advice else "")
