"""Attempts of an unprivileged local user to read, write and connect."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from verification.attacks.case import Attacks, Finding
from verification.attacks.stranger import Stranger, nobody
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_KEPT = {
    "secrets": "secrets/*",
    "the catalog": "catalog.sqlite*",
    "the ledger's files": "valkey/**/*",
    "recorded decisions": "decisions.sqlite*",
    "events": "events/**/*",
    "logs": "logs/**/*",
    "Serve's configuration": "serve_config.yaml",
}
_SESSION = re.compile(r"/\S*?/session_[0-9-]+_[0-9_]+")
_LEAST = 8
"""Minimum length of a secret to search for; shorter texts are found by chance."""


def _secrets(target: AttackedPlatform) -> list[str]:
    """Return all secrets, as the owner knows them."""
    folder = target.settings.var_dir / "secrets"
    kept = [path.read_text(errors="replace").strip() for path in folder.glob("*") if path.is_file()]
    return sorted({one for one in [*kept, *target.keys.values()] if len(one) >= _LEAST})


def _command_lines(target: AttackedPlatform) -> list[str]:
    lines = []
    for process in target.processes():
        try:
            lines.append(
                Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        except OSError:  # ended meanwhile
            continue
    return lines


def folders(target: AttackedPlatform) -> list[str]:
    """Return the folders that the platform uses, those that anybody finds in command lines and its own."""
    text = "\n".join(_command_lines(target))
    sessions = {found.group() for found in _SESSION.finditer(text)}
    configured = {str(Path(path).parent) for path in re.findall(r"-f (/\S+haproxy\S*\.cfg)", text)}
    return sorted({*sessions, *configured, str(target.settings.var_dir)})


def _told(paths: list[str]) -> str:
    return f"{len(paths)}: {', '.join(paths[:5])}" if paths else ""


def _read(pattern: str, target: AttackedPlatform) -> str:
    paths = [str(path) for path in target.settings.var_dir.glob(pattern) if path.is_file()]
    if not paths:
        raise FileNotFoundError(f"there is no {pattern} in {target.settings.var_dir}: the case tests nothing")
    return _told(nobody().one("readable", paths=paths)["found"])


for _name, _pattern in _KEPT.items():
    attacks.add(Finding.FILES, f"{_name} read by a user without rights", partial(_read, _pattern))


@attacks(Finding.FILES, "files and folders of the platform written by a user without rights")
def written(target: AttackedPlatform) -> str:
    """Check that there are none: a model placed where it is loaded would be executed."""
    return _told(nobody().one("writable", paths=folders(target))["found"])


@attacks(Finding.FILES, "secrets in whatever a user without rights can read of the platform")
def secrets_lying_about(target: AttackedPlatform) -> str:
    """Search logs, Ray's sessions and HAProxy's configuration."""
    return _told(nobody().one("holding", paths=folders(target), needles=_secrets(target))["found"])


@attacks(Finding.FILES, "secrets on command lines")
def secrets_on_command_lines(target: AttackedPlatform) -> str:
    """Check that there are none: everybody can see command lines."""
    paths = [f"/proc/{process.pid}/cmdline" for process in target.processes()]
    return _told(nobody().one("holding", paths=paths, needles=_secrets(target))["found"])


@attacks(Finding.FILES, "secrets in the environment of processes, by a user without rights")
def secrets_in_environments(target: AttackedPlatform) -> str:
    """Check that the kernel protects them: no process belongs to that user."""
    paths = [f"/proc/{process.pid}/environ" for process in target.processes()]
    return _told(nobody().one("holding", paths=paths, needles=_secrets(target))["found"])


@attacks(Finding.FILES, "Unix sockets that take a connection from a user without rights")
def local_sockets(target: AttackedPlatform) -> str:
    """Try HAProxy's admin socket, Ray's raylet and object store."""
    return _told(nobody().one("sockets", paths=folders(target))["found"])


@attacks(Finding.FILES, "HAProxy's admin socket told to shut down sessions, by a user without rights")
def admin_socket(target: AttackedPlatform) -> str:
    """Check that it is closed: its commands can take servers away."""
    paths = re.findall(r"stats socket (\S+)", "\n".join(_configurations(target)))
    if not paths:
        raise FileNotFoundError("HAProxy's configuration names no socket: the case tests nothing")
    answers = [nobody().one("send_local", path=path, data="show info\n") for path in paths]
    return " ".join(str(answer)[:200] for answer in answers if "open" in answer)


def _configurations(target: AttackedPlatform) -> list[str]:
    paths = re.findall(r"-f (/\S+haproxy\S*\.cfg)", "\n".join(_command_lines(target)))
    return [Path(path).read_text() for path in paths if Path(path).exists()]


def _valkey(command: str, target: AttackedPlatform) -> str:
    answer = Stranger().one("send", host="127.0.0.1", port=target.settings.ledger_port, data=f"{command}\r\n")
    if "error" in answer or answer["got"].startswith("-"):
        return ""
    return answer["got"][:200] or "it hung up without refusing"


for _command in (
    "PING",
    "CONFIG GET dir",
    "KEYS *",
    "REPLICAOF NO ONE",
    "EVAL return(1) 0",
    "SHUTDOWN NOSAVE",
    "AUTH default",
    "AUTH raybid",
    "HELLO 3 AUTH default default",
):
    attacks.add(
        Finding.FILES, f"the ledger's server told `{_command}` without its password", partial(_valkey, _command)
    )


@attacks(Finding.FILES, "the ledger's server from a second address")
def ledger_outside(target: AttackedPlatform) -> str:
    """Check that it serves this machine only."""
    port = target.settings.ledger_port
    answers = [target.outside.one("send", host=host, port=port, data="PING\r\n") for host in target.outside.hosts]
    return ", ".join(str(answer) for answer in answers if "got" in answer)
