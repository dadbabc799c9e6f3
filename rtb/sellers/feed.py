"""Keeps a directory of sellers up to date: copies of URLs on disk, read again when they are old."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from rtb.openrtb.domains import domain
from rtb.runtime.downloads import is_url
from rtb.runtime.quarantine import Fault
from rtb.sellers.ads_txt import SellersError, read_ads_txt
from rtb.sellers.directory import NO_DIRECTORY, SellerDirectory
from rtb.sellers.sellers_json import read_sellers_json
from rtb.sellers.sources import Locations, Sources, fetch, read_file, read_sources

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 600.0
_List = TypeVar("_List")


class SellerFeed:
    """Reads the lists that an operator's table names. Safe to use by several processes over one folder.

    A list that cannot be read is left out, except that the last good copy of a URL stays in use.

    Args:
        table: file of the table (`Sources`); none: there are no lists.
        folder: folder of the copies.
        clock: Unix time.

    Attributes:
        directory: lists that were read last.
        faults: why lists cannot be used.
    """

    def __init__(self, table: Path | None, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._folder = folder
        self._clock = clock
        self._seen: object = None
        self._tried: dict[str, float] = {}
        self.directory = NO_DIRECTORY
        self.faults: list[Fault] = []

    def refresh(self) -> bool:
        """Fetch what is old, and read what changed; return whether the directory did. Blocks: call it in a thread."""
        if self._table is None:
            return False
        try:
            sources = read_sources(read_file(self._table))
        except (OSError, SellersError) as error:
            self._complain([Fault.of("sellers", self._table.name, error)])
            return False
        faults = self._fetch_old(sources)
        seen = (sources, self._stamps(sources))
        if seen == self._seen:
            self._complain(faults or self.faults)
            return False
        self._seen = seen
        self.directory = SellerDirectory(
            _by_domain(self._read(sources.ads_txt, read_ads_txt, faults)),
            self._read(sources.app_ads_txt, read_ads_txt, faults),
            _by_domain(self._read(sources.sellers_json, read_sellers_json, faults)),
        )
        self._complain(faults)
        return True

    def _complain(self, faults: list[Fault]) -> None:
        for fault in faults:
            if fault not in self.faults:
                logger.warning(f"list of sellers {fault.name}: {fault.reason}")
        self.faults = faults

    def _readers(self, sources: Sources) -> dict[str, Callable[[bytes], object]]:
        """Return how each location is read."""
        lists = [*sources.ads_txt.values(), *sources.app_ads_txt.values()]
        return dict.fromkeys(lists, read_ads_txt) | dict.fromkeys(sources.sellers_json.values(), read_sellers_json)

    def _path(self, location: str) -> Path:
        """Return the file of a location: its copy, or itself."""
        if not is_url(location):
            return Path(location)
        return self._folder / hashlib.sha256(location.encode()).hexdigest()

    def _stamps(self, sources: Sources) -> dict[str, tuple[int, int]]:
        """Return time and size of each location's file, where there is one."""
        found = {}
        for location in self._readers(sources):
            with suppress(OSError):
                status = self._path(location).stat()
                found[location] = (status.st_mtime_ns, status.st_size)
        return found

    def _fetch_old(self, sources: Sources) -> list[Fault]:
        """Fetch URLs whose copies are old, unless another process of this machine is at it."""
        readers = {url: read for url, read in self._readers(sources).items() if is_url(url)}
        if not readers:
            return []
        self._folder.mkdir(parents=True, exist_ok=True)
        faults = []
        with (self._folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return []
            for url, read in readers.items():
                try:
                    self._fetch(url, read, sources.refresh_hours * 3_600)
                except (OSError, SellersError) as error:
                    faults.append(Fault.of("sellers", url, error))
        return faults

    def _fetch(self, url: str, read: Callable[[bytes], object], most_seconds: float) -> None:
        path, now = self._path(url), self._clock()
        is_fresh = path.exists() and now - path.stat().st_mtime < most_seconds
        if is_fresh or now - self._tried.get(url, -_RETRY_SECONDS) < _RETRY_SECONDS:
            return
        self._tried[url] = now
        text = fetch(url)
        read(text)  # a page that says that there is no such file must not replace a good copy
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(text)
        draft.replace(path)
        self._tried.pop(url)

    def _read(self, locations: Locations, read: Callable[[bytes], _List], faults: list[Fault]) -> dict[str, _List]:
        found: dict[str, _List] = {}
        for name, location in locations.items():
            path = self._path(location)
            if is_url(location) and not path.exists():
                continue  # not fetched yet, or why is among the faults
            try:
                found[name.strip().lower()] = read(read_file(path))
            except (OSError, SellersError) as error:
                faults.append(Fault.of("sellers", location, error))
        return found


def _by_domain(lists: Mapping[str, _List]) -> dict[str, _List]:
    """Return lists by domain, which people also name `www.` or by their address."""
    return {domain(name): found for name, found in lists.items()}
