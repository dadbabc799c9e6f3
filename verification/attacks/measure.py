"""Memory and listeners of a platform's processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from raybid.local.listeners import Listener, listeners
from verification.attacks.bounds import MOST_GROWTH_MB

_LOADING_SECONDS = 30.0
_SETTLE_SECONDS = 20.0


def family(pids: Iterable[int]) -> list[psutil.Process]:
    """Return these processes and their descendants, once each."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        try:
            first = psutil.Process(pid)
            found |= {one.pid: one for one in (first, *first.children(recursive=True))}
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def at_work(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that have finished loading: a replica added under load takes memory and cores meanwhile."""
    return [process for process in processes if _age(process) > _LOADING_SECONDS]


def heard(pids: Iterable[int]) -> list[Listener]:
    """Return what these processes and their descendants listen on, once each."""
    return sorted({one for pid in pids for one in listeners(pid)})


Held = dict[int, int]
"""Bytes by process."""


def held(processes: Iterable[psutil.Process]) -> Held:
    """Return the memory of each that the system cannot drop: all but mapped files.

    The kernel's counters are read, not the maps: walking those locks a process for as long as an attack is to.
    """
    return {process.pid: _own(process) for process in processes}


def growth(before: Held, now: Held) -> dict[int, float]:
    """Return by how many MB each process that lived both times has grown.

    Later ones do not count: a replica may be added under load, and is removed after a minute.
    """
    return {pid: (now[pid] - size) / 2**20 for pid, size in before.items() if now.get(pid)}


def settled(before: Held, processes: Callable[[], Iterable[psutil.Process]]) -> dict[int, float]:
    """Return the growth once temporary memory is released, waiting some seconds for it at most."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        grown = growth(before, held(processes()))
        if sum(grown.values()) <= MOST_GROWTH_MB or time.monotonic() > deadline:
            return grown
        time.sleep(2.0)


def name_of(pid: int) -> str:
    """Return a short form of a process's command line."""
    try:
        words = psutil.Process(pid).cmdline()[:4]
    except psutil.Error:
        return "?"
    return " ".join(word.rpartition("/")[2] for word in words)[:80] or "?"


def _age(process: psutil.Process) -> float:
    try:
        return time.time() - process.create_time()
    except psutil.Error:
        return 0.0


def _own(process: psutil.Process) -> int:
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
