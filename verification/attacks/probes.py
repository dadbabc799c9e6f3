"""Attempts of an attacker on this machine. This file runs on its own, with only the standard library.

It is passed to a bare Python with `-c`, since an unprivileged user may not be able to read the checkout. It reads a
JSON list of questions from standard input and writes a JSON list of answers. A question has a `do`, the name of a
function here, and its arguments.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
import sys
from typing import Any

_PATIENCE = 3.0
_MOST = 65_536
_Answer = dict[str, Any]


def connect(host: str, port: int) -> _Answer:
    """Open a TCP connection."""
    with socket.create_connection((host, port), _PATIENCE):
        return {"open": True}


def send(host: str, port: int, data: str) -> _Answer:
    """Send bytes (Latin-1) over TCP; return the first bytes that come back."""
    with socket.create_connection((host, port), _PATIENCE) as connection:
        connection.sendall(data.encode("latin-1"))
        return {"got": connection.recv(_MOST).decode("latin-1")}


def send_local(path: str, data: str) -> _Answer:
    """Send bytes over a Unix socket; return the first bytes that come back, empty without any."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        connection.connect(path)
        connection.sendall(data.encode("latin-1"))
        try:
            return {"open": True, "got": connection.recv(_MOST).decode("latin-1")}
        except TimeoutError:
            return {"open": True, "got": ""}


def ask(*, host: str, port: int, method: str, path: str, headers: dict[str, str], body: str = "") -> _Answer:
    """Make an HTTP request."""
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        connection.request(method, path, body.encode() or None, headers)
        answer = connection.getresponse()
        body = answer.read(_MOST).decode("utf-8", "replace")
        return {"status": answer.status, "body": body, "location": answer.headers.get("Location", "")}
    finally:
        connection.close()


def read(path: str) -> _Answer:
    """Read the beginning of a file."""
    with open(path, "rb") as file:
        return {"bytes": len(file.read(_MOST))}


def holding(paths: list[str], needles: list[str]) -> _Answer:
    """Find readable files that contain one of these texts; folders are searched recursively."""
    wanted = [one.encode() for one in needles]
    found = []
    for path in _files(paths):
        try:
            with open(path, "rb") as file:
                text = file.read(64 * 1024 * 1024)
        except OSError:
            continue
        if any(one in text for one in wanted):
            found.append(path)
    return {"found": found}


def readable(paths: list[str]) -> _Answer:
    """Find files that can be opened for reading; folders are searched recursively."""
    found = []
    for path in _files(paths):
        try:
            with open(path, "rb"):
                found.append(path)
        except OSError:
            continue
    return {"found": found}


def writable(paths: list[str]) -> _Answer:
    """Find writable files and folders, recursively, without following links."""
    found = [path for top in paths for path in [top, *_files([top]), *_folders(top)] if os.access(path, os.W_OK)]
    return {"found": sorted(set(found))}


def sockets(paths: list[str]) -> _Answer:
    """Find Unix sockets below folders that accept a connection."""
    found = []
    for path in _files(paths, of_kind=stat.S_ISSOCK):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE)
            try:
                connection.connect(path)
            except OSError:
                continue
            found.append(path)
    return {"found": found}


def _files(paths: list[str], of_kind: Any = stat.S_ISREG) -> list[str]:
    found = []
    for top in paths:
        names = [top] if not os.path.isdir(top) else []
        names += [os.path.join(folder, name) for folder, _, inside in os.walk(top) for name in inside]
        for name in names:
            try:
                if of_kind(os.lstat(name).st_mode):
                    found.append(name)
            except OSError:
                continue
    return found


def _folders(top: str) -> list[str]:
    return [os.path.join(folder, name) for folder, inside, _ in os.walk(top) for name in inside]


_DO = {one.__name__: one for one in (connect, send, send_local, ask, read, holding, readable, writable, sockets)}


def main() -> None:
    """Answer every question; failures are reported as such."""
    answers = []
    for question in json.load(sys.stdin):
        try:
            answers.append(_DO[question.pop("do")](**question))
        except Exception as error:  # whatever keeps an attacker out is an answer
            answers.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
