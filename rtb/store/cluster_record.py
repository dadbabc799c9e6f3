"""What the head of a cluster records in the store, so that other hosts notice where they differ from it.

The record holds digests of secrets and places, keyed by Ray's token: who reads the store alone can check no guess. A
host that does not find the record of its head has another store. Each head writes its own, at each start, so a changed
secret is introduced by starting the head with it first; two clusters, as during an upgrade, do not disturb each other.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec

from rtb.runtime.settings import Settings
from rtb.store.places import cluster_store

_EQUAL = (
    "admin_key",
    "exchange_key",
    "exchange_keys",
    "report_key",
    "notice_secret",
    "notice_secrets_previous",
    "price_keys",
    "user_secret",
    "public_url",
    "currency",
    "charge_on",
)
"""Settings that all hosts have in common."""
_PLACES = ("redis_url", "database_url")
"""The same, whose user and password may differ."""


class ClusterRecord(msgspec.Struct, frozen=True):
    """What all hosts of a cluster have in common.

    Attributes:
        salt: random part of every digest.
        token: digest that tells whether a host has the token that keys the others.
        settings: digests of settings, by name.
    """

    salt: str
    token: str
    settings: dict[str, str]


def write_record(settings: Settings, token: str, head: str) -> None:
    """Record this host's settings as those of a cluster.

    Args:
        settings: settings of the head.
        token: Ray's token.
        head: the head's address.

    Raises:
        OSError: the store cannot be written.
    """
    record = _record(settings, token, secrets.token_hex(16))
    cluster_store(settings).write(_name(head), msgspec.json.encode(record))


def differences(settings: Settings, token: str, head: str) -> list[str]:
    """Return in what this host differs from the head of its cluster, a line each, which says what to set.

    Args:
        settings: settings of this host.
        token: its token of Ray.
        head: the head's address.

    Raises:
        OSError: the store cannot be read.
    """
    store = cluster_store(settings)
    try:
        theirs = msgspec.json.decode(store.read(_name(head)), type=ClusterRecord)
    except FileNotFoundError:
        return [
            f"the store {store.url} is not that of the head at {head}, which has no record there: set RAYBID_STORE to"
            " the same bucket or shared folder on all hosts, and start the head by `raybid cluster head`"
        ]
    except msgspec.MsgspecError:
        return [f"the record of the head at {head} in {store.url} is damaged: start the head again"]
    ours = _record(settings, token, theirs.salt)
    if ours.token != theirs.token:
        return [f"RAY_AUTH_TOKEN is not that of the head at {head}: set it to the same on all hosts"]
    names = [name for name, digest in ours.settings.items() if theirs.settings.get(name, digest) != digest]
    return [_difference(name, head) for name in names]


def _difference(name: str, head: str) -> str:
    return (
        f"RAYBID_{name.upper()} is not that of the head at {head}: set it to the same on all hosts, and where it was"
        " changed on purpose, start the head again first"
    )


def _record(settings: Settings, token: str, salt: str) -> ClusterRecord:
    values = {name: str(getattr(settings, name)) for name in _EQUAL}
    places = {name: str(settings.shown()[name]) for name in _PLACES}
    digests = {name: _digest(token, salt, name, value) for name, value in {**values, **places}.items()}
    return ClusterRecord(salt, _digest(token, salt, "token", ""), digests)


def _digest(token: str, salt: str, name: str, value: str) -> str:
    return hmac.new(token.encode(), "\0".join((salt, name, value)).encode(), hashlib.sha256).hexdigest()


def _name(head: str) -> str:
    return f"{head}.json"
