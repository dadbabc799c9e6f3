"""A client of the API: failures end the program with one line and an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from raybid.cli.common import NOT_RUNNING, fail, settings
from rtb.runtime import calls
from rtb.runtime.settings import SecretName

_SECONDS = 30.0
_MOST_SAID = 400


class PlatformApi:
    """The API of one platform.

    Args:
        url: base URL; empty: from the settings.
        key: sent as `X-API-Key`; empty: a key of this machine's, where it has one.
        kept: which of this machine's keys to use then.
    """

    def __init__(self, url: str = "", key: str = "", kept: SecretName = "admin_key") -> None:
        chosen = settings()
        self.url = (url or chosen.base_url).rstrip("/")
        self.is_ours = self.url == chosen.base_url
        # Never send this machine's key to a platform elsewhere.
        given = key or (chosen.find_secret(kept) if not url or url.rstrip("/") == chosen.base_url else "")
        self._headers = {"X-API-Key": given} if given else {}

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON answer of a GET."""
        return self.call("GET", path, params=params).json()

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Return the answer of a POST."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body) if body is not None else None
        return self.call("POST", path, content=content, headers=dict(headers or {}))

    def pages(self, path: str, **params: Any) -> Iterator[Any]:
        """Yield the items of a list, from all its pages."""
        answer = self.call("GET", path, params=params)
        yield from answer.json()
        while following := answer.links.get("next"):
            answer = self.call("GET", f"{path}?{urlsplit(following['url']).query}")  # other hosts never see the key
            yield from answer.json()

    def call(self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
        """Return the answer of a call; a refusal ends the program with the problem document's message."""
        more["headers"] = {**self._headers, **(headers or {})}
        try:
            answer = calls.request(method, self.url + path, timeout=_SECONDS, is_ours=self.is_ours, **more)
        except httpx.InvalidURL as error:
            fail(f"{self.url} is not a URL ({error}): give one as --url http://127.0.0.1:8000", 2)
        except httpx.UnsupportedProtocol:
            fail(f"{self.url} is not an HTTP URL: give one as --url http://127.0.0.1:8000", 2)
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            fail(f"nothing answers at {self.url} ({why}): start one with `raybid up`, or give --url", NOT_RUNNING)
        if not answer.is_success:
            fail(_refusal(answer))
        return answer


def _refusal(answer: httpx.Response) -> str:
    """Return the message of a problem document, else the best there is."""
    try:
        told = answer.json()
        said = f"{told['title']}: {told['detail']}"
    except (ValueError, KeyError, TypeError):
        said = answer.text[:_MOST_SAID] or f"the answer is {answer.status_code} with an empty body"
    if answer.status_code in (401, 403):
        said += " (give a key with --key or RAYBID_KEY)"
    if answer.status_code == 400 and not answer.content:
        said = "the request was refused as malformed: the reason is in the platform's log and in the counters of /stats"
    return said
