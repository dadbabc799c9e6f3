"""The nginx of `cluster/nginx` in front of a platform on this machine, with its own certificate."""

from __future__ import annotations

import resource
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from raybid.local.checks import LaunchError
from raybid.local.environment import ROOT
from rtb.ledger.embedded import is_listening
from rtb.runtime import processes

CONFIGURATION = ROOT / "cluster" / "nginx" / "nginx.conf"
LOOPBACK = "127.0.0.1"
_START_SECONDS = 10.0
_STOP_SECONDS = 10.0


class Proxy(NamedTuple):
    """A running nginx.

    Attributes:
        url: where it listens.
        ca: certificates that its clients must trust.
        log: its log.
    """

    url: str
    ca: Path
    log: Path


def binary() -> str | None:
    """Return the path of nginx; Debian keeps it in a directory that only root's PATH has."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/sbin")


@contextmanager
def nginx(folder: Path, port: int, upstream: Sequence[str], host: str = LOOPBACK) -> Iterator[Proxy]:
    """Run nginx for the time of the block.

    Args:
        folder: folder for its files.
        port: port to listen on.
        upstream: `host:port` of each server to pass requests to.
        host: address to listen on.

    Raises:
        LaunchError: nginx is missing, or does not start.
    """
    program = binary()
    if program is None:
        raise LaunchError("nginx is not installed: install it (Debian: nginx-light)")
    prefix = prepare(folder, port, upstream, host)
    log = folder / "nginx.log"
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # nginx warns of fewer files than its connections need
    with log.open("ab") as said:
        process = processes.start(
            [program, "-p", f"{prefix}/", "-c", str(folder / "conf" / "nginx.conf")],
            _STOP_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        _await(process, host, port, log)
        yield Proxy(f"https://{'localhost' if host == LOOPBACK else host}:{port}", folder / "secrets" / "ca_cert", log)
    finally:
        processes.end(process)


def prepare(folder: Path, port: int, upstream: Sequence[str], host: str = LOOPBACK) -> Path:
    """Write the certificate, the shipped configuration and its two site files; return the prefix to run in.

    Raises:
        LaunchError: the certificate cannot be created.
    """
    conf, prefix, keys = folder / "conf", folder / "run", folder / "secrets"
    for made in (conf, prefix):
        made.mkdir(parents=True, exist_ok=True)
    prefix.chmod(0o755)  # the workers run as another user
    _make_secrets(keys, host)
    shutil.copy(CONFIGURATION, conf)
    servers = "".join(f"    server {place} max_fails=0;\n" for place in upstream)
    (conf / "upstream.conf").write_text(f"upstream raybid {{\n{servers}    keepalive 128;\n}}\n")
    (conf / "listen.conf").write_text(
        f"listen {host}:{port} ssl;\nssl_certificate {keys / 'tls_cert'};\nssl_certificate_key {keys / 'tls_key'};\n"
    )
    return prefix


def _make_secrets(folder: Path, host: str) -> None:
    place = ["--folder", str(folder), "--keep-owner", "--domain", host]
    command = [str(ROOT / "cluster" / "secrets.sh"), *place]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LaunchError(f"cluster/secrets.sh fails: {done.stderr.strip()}")


def _await(process: subprocess.Popen[bytes], host: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if is_listening(port, host):
            return
        time.sleep(0.05)
    lines = log.read_text(errors="replace").strip().splitlines()
    raise LaunchError(f"nginx did not start: {lines[-1] if lines else 'no output'} (full log: {log})")
