"""Proxies, locales, users and folders of a stranger's machine: the platform must start, or say what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from verification.leftovers import LeftoverWatch, watching
from verification.strangers.case import Case
from verification.strangers.machine import CommandEnvironment, machine

_GROUP = "environment"
_VARIABLES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_DEAD = {"http": "http://127.0.0.1:9", "socks5": "socks5://127.0.0.1:9", "socks": "socks://127.0.0.1:9"}
_NAMED_SECONDS = 5.0
_NOBODY = 65_534


def cases() -> list[Case]:
    """Return the cases."""
    return [*_own_calls(), *_calls_elsewhere(), *_unwritable(), *_platforms()]


def _own_calls() -> list[Case]:
    """Return cases with commands that call this machine while the environment names a dead proxy."""
    return [
        Case(_GROUP, f"`raybid status` here with {name}={value}", partial(_status_here, name, value))
        for name in _VARIABLES
        for value in _DEAD.values()
    ]


def _status_here(name: str, value: str, folder: Path) -> str | None:
    with _answering() as (url, heard):
        here = machine(folder, **{name: value, "RAYBID_HTTP_PORT": url.rpartition(":")[2]})
        done = here.run("status")
    if "Traceback" in done.stderr:
        return f"a traceback: {done.stderr[-200:]}"
    return None if heard else f"it does not call it directly: {done.stderr[-200:]}"


def _calls_elsewhere() -> list[Case]:
    """Return cases with commands that call another machine, which must use the environment's proxy."""
    found = [
        Case(_GROUP, f"`raybid status` of another machine with {name}", partial(_status_elsewhere, name, ""))
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    ]
    found.append(
        Case(_GROUP, "the same, named in NO_PROXY", partial(_status_elsewhere, "HTTP_PROXY", "elsewhere.example"))
    )
    found += [
        Case(_GROUP, f"`raybid status` of another machine with ALL_PROXY={value}", partial(_named, value))
        for value in ("socks://127.0.0.1:9", "ftp://127.0.0.1", "http://[::1", "http://127.0.0.1:9")
    ]
    return found


def _status_elsewhere(name: str, spared: str, folder: Path) -> str | None:
    with _answering() as (url, heard):
        here = machine(folder, **{name: url, "NO_PROXY": spared})
        done = here.run("status", "--url", "http://elsewhere.example:8000")
    if "Traceback" in done.stderr:
        return f"a traceback: {done.stderr[-200:]}"
    return None if bool(heard) != bool(spared) else f"it does not do as the environment says: {done.stderr[-200:]}"


def _named(value: str, folder: Path) -> str | None:
    done = machine(folder, ALL_PROXY=value).run("status", "--url", "http://elsewhere.example:8000")
    return _one_line(done, 3, "ALL_PROXY")


def _unwritable() -> list[Case]:
    """Return cases with unwritable folders, which must be reported at once."""
    return [
        Case(_GROUP, "var is a file", partial(_refused, "a file")),
        Case(_GROUP, "var is below a file", partial(_refused, "below a file")),
        Case(_GROUP, "var is a link to nowhere that cannot be made", partial(_refused, "a link")),
        *(
            Case(_GROUP, f"{what} is another user's", partial(_refused_to_nobody, what))
            for what in ("var", "var/logs/ray.log", "var/secrets", "var/valkey", "var/platform.lock")
            if os.geteuid() == 0
        ),
    ]


def _refused(what: str, folder: Path) -> str | None:
    here, var = machine(folder), folder / "var"
    if what == "a link":
        var.symlink_to("/proc/nowhere")
    else:
        var.write_text("")
    if what == "below a file":
        here = CommandEnvironment(folder, {**here.env, "RAYBID_VAR_DIR": str(var / "below")})
    return _timed(here, "RAYBID_VAR_DIR" if what == "a link" else str(var))


def _refused_to_nobody(what: str, folder: Path) -> str | None:
    here = _as_nobody(folder)
    path = folder / what
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("") if "." in path.name else path.mkdir()
    for made in (path, *path.parents):
        if made == folder:
            break
        made.chmod(0o700)
        if made != path:
            os.chown(made, _NOBODY, _NOBODY)
    return _timed(here, str(folder / "var"))


def _timed(here: CommandEnvironment, named: str) -> str | None:
    """Check that `up` reports the problem in time, apart from its own time to start."""
    began = time.monotonic()
    here.run("--help")
    start = time.monotonic() - began
    done = here.run("up", "--detach")
    seconds = time.monotonic() - began - 3 * start
    if seconds > _NAMED_SECONDS:
        return f"it took {seconds:.0f} s"
    return _one_line(done, 1, named)


def _one_line(done: subprocess.CompletedProcess[str], code: int, named: str) -> str | None:
    lines = done.stderr.strip().splitlines()
    if done.returncode != code or len(lines) != 1 or named not in lines[0]:
        return f"exit code {done.returncode}, not {code} with {named} in one line: {done.stderr[-300:]}"
    return None


def _platforms() -> list[Case]:
    """Return cases that go all the way: up, bids, down, nothing left."""
    upper = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), _DEAD["http"]) | {"ALL_PROXY": _DEAD["socks5"]}
    lower = {name.lower(): value for name, value in upper.items()} | {
        "all_proxy": _DEAD["socks"],
        "no_proxy": "a.example",
    }
    found = [
        Case(_GROUP, "a platform with HTTP_PROXY, HTTPS_PROXY, ALL_PROXY of SOCKS, LC_ALL=C", partial(_whole, upper)),
        Case(_GROUP, "a platform with http_proxy, https_proxy, all_proxy, no_proxy, LC_ALL=C", partial(_whole, lower)),
    ]
    if os.geteuid() == 0:
        found.append(Case(_GROUP, "a platform of another user after root's", _second_user))
    if _has_systemd():
        found.append(Case(_GROUP, "a platform by systemd-run", _by_systemd))
    return found


def _whole(env: dict[str, str], folder: Path, before: Sequence[str] = ()) -> str | None:
    with watching() as watch:
        here = machine(folder, before, LC_ALL="C", LANG="", PYTHONUTF8="", **env)
        return _up_and_down(here, watch)


def _up_and_down(here: CommandEnvironment, watch: LeftoverWatch) -> str | None:
    done = here.run("up", "--detach", "--samples")
    if done.returncode:
        return f"it did not start: {done.stderr[-300:]}"
    return here.fails_to_bid() or here.fails_to_end(watch)


def _second_user(folder: Path) -> str | None:
    """Run root's platform, which leaves temporary files of root's; then start another user's."""
    (folder / "root").mkdir()
    if wrong := _whole({}, folder / "root"):
        return f"root's: {wrong}"
    for place in ("/tmp/haproxy-serve", "/tmp/ray"):
        if not Path(place).exists():
            Path(place).mkdir(mode=0o700)
    (folder / "theirs").mkdir()
    with watching() as watch:
        here = _as_nobody(folder / "theirs")
        (folder / "theirs" / "var").mkdir()
        os.chown(folder / "theirs" / "var", _NOBODY, _NOBODY)
        return _up_and_down(here, watch)


def _as_nobody(folder: Path, **env: str) -> CommandEnvironment:
    """Return a user who may read this checkout, wherever it is, and write nothing of others."""
    reading = "+dac_read_search"
    change = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", f"--inh-caps={reading}"]
    return machine(folder, [*change, f"--ambient-caps={reading}"], HOME="/nonexistent", **env)


def _has_systemd() -> bool:
    if shutil.which("systemd-run") is None:
        return False
    return subprocess.run(["systemd-run", "--user", "--pipe", "true"], capture_output=True, check=False).returncode == 0


def _by_systemd(folder: Path) -> str | None:
    return _whole({}, folder, ["systemd-run", "--user", "--pipe", "--same-dir", "--wait", "--quiet"])


@contextmanager
def _answering() -> Iterator[tuple[str, list[str]]]:
    """Run a server without a health endpoint; yield its URL, and the requests it received."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
