"""What settings may not be where a platform runs on several hosts: whatever one host alone would have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from rtb.runtime.exposure import is_loopback

if TYPE_CHECKING:
    from rtb.runtime.settings import Settings

_GENERATED = ("admin_key", "notice_secret", "user_secret")
_DATABASE = "postgresql://USER:PASSWORD@HOST/DATABASE"
_REDIS = "a Redis or Valkey that all hosts reach"
_PUBLIC = "the URL by which exchanges reach the hosts"
_STORE = "s3://BUCKET/PREFIX or a folder that all hosts mount"


def faults(settings: Settings, environment: Mapping[str, str], listening: Iterable[str] = ()) -> list[str]:
    """Return what is wrong for several hosts, a line each, which says what to set.

    Args:
        settings: settings of the platform.
        environment: environment of the process, for Ray's own variables.
        listening: known addresses that Serve listens on.
    """
    return [
        *_ledger(settings.redis_url),
        *_catalog(settings.database_url),
        *_notices(settings.public_url),
        *_secrets(settings),
        *_store(settings.store, environment),
        *_ray(environment),
        *_keys(settings),
        *_ingress(listening),
    ]


def ray_token(environment: Mapping[str, str]) -> str:
    """Return the token with which processes authenticate to Ray; empty where none is configured.

    Raises:
        OSError: its file cannot be read.
    """
    path = environment.get("RAY_AUTH_TOKEN_PATH")
    return environment.get("RAY_AUTH_TOKEN") or (Path(path).read_text().strip() if path else "")


def _ledger(url: str) -> Iterator[str]:
    if not url:
        yield f"RAYBID_REDIS_URL is not set, so the ledger would be an embedded server on one host: set it to {_REDIS}"
    elif _is_here(host := _host(url)):
        yield f"RAYBID_REDIS_URL leads to {host or 'a socket'}, another server on each host: set it to {_REDIS}"


def _catalog(url: str) -> Iterator[str]:
    if not url:
        yield f"RAYBID_DATABASE_URL is not set, so the catalog would be a file of one host: set it to {_DATABASE}"
    elif url.startswith("sqlite"):
        yield f"RAYBID_DATABASE_URL is a SQLite file, which one host has: set it to {_DATABASE}"
    elif _is_here(host := _host(url) or _parameter(url, "host")):
        yield f"RAYBID_DATABASE_URL leads to {host or 'a socket'}, another server on each host: set it to {_DATABASE}"


def _notices(url: str) -> Iterator[str]:
    if not url:
        yield f"RAYBID_PUBLIC_URL is not set, so notices would go to the exchange's own machine: set it to {_PUBLIC}"
    # With https it is a proxy's, in front of all hosts: that of containers on one machine may be on loopback.
    elif not url.startswith("https://") and _is_here(host := _host(url)):
        yield f"RAYBID_PUBLIC_URL leads to {host or 'no host'}, the exchange's own machine: set it to {_PUBLIC}"


def _secrets(settings: Settings) -> Iterator[str]:
    for name in _GENERATED:
        if not getattr(settings, name):
            yield (
                f"RAYBID_{name.upper()} is not set, so each host would generate its own: set it to the same on all"
                " (`raybid cluster init` generates it)"
            )


def _store(url: str, environment: Mapping[str, str]) -> Iterator[str]:
    if not url:
        yield f"RAYBID_STORE is not set, so events and models would stay on the host that writes: set it to {_STORE}"
    elif url.startswith("s3://"):
        endpoint = _parameter(url, "endpoint_override") or environment.get("AWS_ENDPOINT_URL", "")
        if endpoint and _is_here(host := _host(endpoint if "://" in endpoint else f"//{endpoint}")):
            yield f"RAYBID_STORE's endpoint is on {host or 'no host'}, another server on each host: name one for all"


def _ray(environment: Mapping[str, str]) -> Iterator[str]:
    mode = environment.get("RAY_AUTH_MODE", "")
    if mode != "token":
        yield f"RAY_AUTH_MODE is {mode or 'not set'}, so whoever reaches Ray runs programs on hosts: set it to token"
    else:
        yield from _token(environment)
    if environment.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") == "0":
        yield "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 keeps Ray on the loopback address: unset it"


def _token(environment: Mapping[str, str]) -> Iterator[str]:
    try:
        is_given = bool(ray_token(environment))
    except OSError as error:
        yield f"RAY_AUTH_TOKEN_PATH cannot be read ({error.strerror}): set it to a file with the token of all hosts"
    else:
        if not is_given:
            yield "RAY_AUTH_TOKEN is not set: set it to the same on all hosts (`raybid cluster init` generates it)"


def _keys(settings: Settings) -> Iterator[str]:
    for name in ("require_exchange_key", "require_report_key"):
        if not getattr(settings, name):
            yield f"RAYBID_{name.upper()} is false, so whoever reaches a host needs no key: set it to true"


def _ingress(listening: Iterable[str]) -> Iterator[str]:
    for host in listening:
        if is_loopback(host):
            yield (
                f"Serve listens on {host} (http_options.host), so no host reaches the replicas of another:"
                " deploy with `raybid cluster deploy`, or set it to 0.0.0.0"
            )


def _is_here(host: str) -> bool:
    """Return whether a host is this machine wherever it is named."""
    if not host or host.startswith("/") or is_loopback(host):  # a path is that of a socket
        return True
    try:
        return ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _parameter(url: str, name: str) -> str:
    return parse_qs(url.partition("?")[2]).get(name, [""])[0]
