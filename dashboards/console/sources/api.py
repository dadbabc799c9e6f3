"""The platform's REST API as the console uses it."""

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
"""How long an answer serves for all that is drawn at the same time."""


class ApiError(RuntimeError):
    """The platform cannot be reached, or refuses; the message says what to do.

    Attributes:
        status: HTTP status, 0 where there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Call(NamedTuple):
    """One call that was answered.

    Attributes:
        at: Unix time it was answered.
        seconds: from the first byte sent to the last one read.
        path: what was asked.
    """

    at: float
    seconds: float
    path: str


class Api:
    """Calls with one key; usable from several threads.

    Args:
        url: of the platform.
        key: `X-API-Key`; empty: none is sent.
        transport: how calls travel; none: over the network.
    """

    def __init__(self, url: str, key: str, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"X-API-Key": key} if key else {}
        self._client = calls.client(url, headers=headers, timeout=_TIMEOUT_S, transport=transport)
        self._url = url
        self._known: dict[str, tuple[float, Any]] = {}
        self._lock = Lock()
        self.calls: deque[Call] = deque(maxlen=_KEPT_CALLS)

    def get(self, path: str) -> Any:
        """What a GET answers; one a moment ago answers for all that ask now.

        Raises:
            ApiError: it cannot be had.
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
        """Every campaign but archived ones, page after page.

        Raises:
            ApiError: they cannot be had.
        """
        found: list[dict[str, Any]] = []
        while True:
            after = f"?after={found[-1]['number']}" if found else ""
            page = self.get(f"/campaigns{after}")
            found += page
            if len(page) < _PAGE:
                return found

    def send(self, method: str, path: str, body: Any = None, version: int | None = None) -> Any:
        """Change something; what the API answers.

        Args:
            method: of HTTP.
            path: what to change.
            body: sent as JSON.
            version: of what is changed, for `If-Match`: refused where it is not the current one.

        Raises:
            ApiError: it is refused, or was not answered.
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
        self.calls.append(Call(time.time(), time.perf_counter() - began, path.partition("?")[0]))
        if answer.is_error and not (path == "/health" and answer.status_code == 503):  # 503 tells what is away
            raise ApiError(_refusal(path, answer), answer.status_code)
        return answer


_PAGE = 1_000
_ADVICE = {
    401: "set RAYBID_KEY, or RAYBID_VAR_DIR to the platform's folder, whose key is in secrets/admin_key",
    403: "set RAYBID_KEY to a key with the scope `admin`",
    412: "somebody else changed it meanwhile: look at it again, and change that",
    429: "choose a longer refresh",
}


def _refusal(path: str, answer: httpx.Response) -> str:
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:200]
    advice = _ADVICE.get(answer.status_code)
    return f"{path} gets {answer.status_code}: {detail}" + (f" ({advice})" if advice else "")
