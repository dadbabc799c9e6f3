"""Memory and listeners of a platform's processes."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

from raybid.local.listeners import Listener, listeners


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


def heard(pids: Iterable[int]) -> list[Listener]:
    """Return what these processes and their descendants listen on, once each."""
    return sorted({one for pid in pids for one in listeners(pid)})


Held = dict[int, int]
"""Bytes by process."""


def held(processes: Iterable[psutil.Process]) -> Held:
    """Return the memory of each; shared pages are divided among their users (PSS)."""
    return {process.pid: _pss(process) for process in processes}


def grown_mb(before: Held, now: Held) -> float:
    """Return by how many MB the processes that lived both times have grown.

    Later ones do not count: a replica may be added under load, and is removed after a minute.
    """
    return sum(growth(before, now).values())


def growth(before: Held, now: Held) -> dict[int, float]:
    """Return the growth by process, in MB."""
    return {pid: (now[pid] - size) / 2**20 for pid, size in before.items() if now.get(pid)}


def name_of(pid: int) -> str:
    """Return a short form of a process's command line."""
    try:
        words = psutil.Process(pid).cmdline()[:4]
    except psutil.Error:
        return "?"
    return " ".join(word.rpartition("/")[2] for word in words)[:80] or "?"


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
