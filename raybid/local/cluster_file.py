"""The file of settings that every host of a cluster has: for a shell, and for systemd's `EnvironmentFile`."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path

from raybid.local.checks import LaunchError

_HEAD = """\
# Settings of every host of one cluster, the same on all of them: `raybid cluster` refuses to start a host that differs.
# In a shell: set -a; . ./cluster.env; set +a. Whoever reads this file may do everything: keep its mode 0600.
"""

_PLACES = {
    "RAYBID_REDIS_URL": "Redis or Valkey of the ledger and of Ray's state: redis://:PASSWORD@HOST:6379/0",
    "RAYBID_DATABASE_URL": "catalog of campaigns: postgresql://USER:PASSWORD@HOST/DATABASE",
    "RAYBID_STORE": "events, models and decisions: s3://BUCKET/PREFIX, or a folder that all hosts mount",
    "RAYBID_PUBLIC_URL": "base of notice URLs, as exchanges reach the hosts: https://bid.example.com",
    "RAYBID_HEAD": "address of the head, which hosts join",
}

_SECRETS = {
    "RAYBID_ADMIN_KEY": "key of the administrator, for REST calls",
    "RAYBID_REPORT_KEY": "key that reads figures, for Prometheus",
    "RAYBID_NOTICE_SECRET": "signs notice URLs",
    "RAYBID_USER_SECRET": "hides user ids",
    "RAYBID_CONSOLE_TOKEN": "opens the console",
    "RAY_AUTH_TOKEN": "opens Ray: its nodes, dashboard and jobs",
}


def write_cluster_file(path: Path, places: dict[str, str]) -> None:
    """Write a file with fresh secrets, readable by its owner alone.

    Args:
        path: the file, which must not be there.
        places: settings by variable, of those that nothing can generate; others are left empty.

    Raises:
        LaunchError: there is a file, or it cannot be written.
    """
    text = "\n".join(_lines(places))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise LaunchError(f"{path} is there already: its secrets are in use, so it is never overwritten") from error
    except OSError as error:
        raise LaunchError(f"{path} cannot be written ({error.strerror})") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{_HEAD}\n{text}\n")


def _lines(places: dict[str, str]) -> Iterator[str]:
    for name, meaning in _PLACES.items():
        yield f"# {meaning}"
        yield f"{name}={shlex.quote(places[name]) if places.get(name) else ''}"
    yield "# A bucket's credentials, unless the hosts have a role of their own."
    yield from ("#AWS_ACCESS_KEY_ID=", "#AWS_SECRET_ACCESS_KEY=", "#AWS_REGION=")
    yield ""
    for name, meaning in _SECRETS.items():
        yield f"# {meaning}"
        yield f"{name}={secrets.token_urlsafe(32)}"
    yield "RAY_AUTH_MODE=token"
