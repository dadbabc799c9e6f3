"""What a platform's processes hold and listen on."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

from pipelines.local.listeners import Listener, listeners


def family(pids: Iterable[int]) -> list[psutil.Process]:
    """These processes and all that they started, once each."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        try:
            first = psutil.Process(pid)
            found |= {one.pid: one for one in (first, *first.children(recursive=True))}
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def heard(pids: Iterable[int]) -> list[Listener]:
    """What these processes and all that they started listen on, once each."""
    return sorted({one for pid in pids for one in listeners(pid)})


def held_mb(processes: Iterable[psutil.Process]) -> float:
    """Memory of them together: what several share is counted once (PSS)."""
    return sum(map(_pss, processes)) / 2**20


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
