"""HTTP clients: direct to this machine, to all others through the proxy that the environment names, if any.

Nothing else in this project creates httpx clients, so that no proxy sees traffic between our own processes.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import httpx
import psutil

_NAMES = ("localhost", "127.0.0.1", "::1")
_VARIABLES = ("NO_PROXY", "no_proxy")


def is_own(url: str) -> bool:
    """Return whether a URL leads to this machine."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return False
    if host in (*_NAMES, socket.gethostname().lower()) or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified or str(mapped) in _own_addresses()


def no_proxy_variables(environment: Mapping[str, str], *hosts: str) -> dict[str, str]:
    """Return the variables that keep a process' calls to this machine, and to these hosts, from any proxy."""
    ours = dict.fromkeys([*_NAMES, socket.gethostname(), *hosts])
    told = {}
    for name in _VARIABLES:
        listed = [one.strip() for one in environment.get(name, "").split(",") if one.strip()]
        told[name] = "*" if "*" in listed else ",".join(dict.fromkeys([*listed, *ours]))
    if any(environment.get(name) for name in _VARIABLES):  # setting one spelling is meant for both
        both = ",".join(dict.fromkeys(one for name in _VARIABLES for one in told[name].split(",")))
        told = dict.fromkeys(_VARIABLES, "*" if "*" in both.split(",") else both)
    return told


def proxy_of(url: str) -> str:
    """Return the environment variable that sends calls of a URL through a proxy; empty: none does."""
    parts = urlsplit(url)
    proxies = getproxies_environment()
    if is_own(url) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    found = next((one for one in (parts.scheme, "all") if proxies.get(one)), "")
    return f"{found.upper()}_PROXY" if found else ""


def client(url: str, *, is_ours: bool = False, **options: Any) -> httpx.Client:
    """Return an HTTP client of a base URL.

    Args:
        url: the base URL.
        is_ours: whether it is one of our processes on another machine.
        **options: options of `httpx.Client`.

    Raises:
        httpx.ProxyError: the environment names an invalid proxy.
    """
    made: httpx.Client = _made(httpx.Client, httpx.HTTPTransport, is_ours or is_own(url), options)
    made.base_url = url
    return made


def async_client(url: str, *, is_ours: bool = False, **options: Any) -> httpx.AsyncClient:
    """Return an asynchronous client, with the arguments of `client`.

    Raises:
        httpx.ProxyError: the environment names an invalid proxy.
    """
    made: httpx.AsyncClient = _made(httpx.AsyncClient, httpx.AsyncHTTPTransport, is_ours or is_own(url), options)
    made.base_url = url
    return made


def request(method: str, url: str, *, timeout: float, is_ours: bool = False, **options: Any) -> httpx.Response:
    """Return the response to one call.

    Raises:
        httpx.HTTPError: there is no response.
        httpx.InvalidURL: `url` is not a URL.
    """
    with _made(httpx.Client, httpx.HTTPTransport, is_ours or is_own(url), {"timeout": timeout}) as one:
        try:
            answer: httpx.Response = one.request(method, url, **options)
        except httpx.TransportError as error:
            if name := proxy_of(url):
                raise type(error)(f"{error}; {name} sends it through a proxy") from error
            raise
    return answer


def get(url: str, *, timeout: float, **options: Any) -> httpx.Response:
    """Return the response to a GET.

    Raises:
        httpx.HTTPError: there is no response.
    """
    return request("GET", url, timeout=timeout, **options)


def _made(kind: Any, transport: Any, is_ours: bool, options: dict[str, Any]) -> Any:
    if is_ours and options.get("transport") is None:
        options["transport"] = transport(verify=options.pop("verify", True))  # an explicit transport asks no proxy
    try:
        return kind(**options)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise httpx.ProxyError(
            f"the environment names a proxy that cannot be used ({error}): fix HTTP_PROXY, "
            "HTTPS_PROXY, ALL_PROXY and NO_PROXY"
        ) from error


@cache
def _own_addresses() -> frozenset[str]:
    return frozenset(one.address for cards in psutil.net_if_addrs().values() for one in cards)
