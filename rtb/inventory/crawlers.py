"""Known crawlers and programs by their User-Agent, from the list of `crawler-user-agents`."""

from __future__ import annotations

import re
from typing import NamedTuple

import crawleruseragents

from rtb.openrtb import NoBid
from rtb.runtime.caches import MemoizedFunction

_MOST_CHARACTERS = 512
"""Characters of a header that are searched: what a program calls itself stands at the front."""

_LEAST_LITERAL = 3
_META = re.compile(r"\\.|\[[^\]]*\]|\([^)]*\)[?*+]?|[\^$.|?*+{}]")
_PROGRAMS = frozenset({"http-library", "browser-automation", "scanner"})
"""Tags of what is no crawler, but no person either."""


class _Crawler(NamedTuple):
    """A pattern of the list, and a text that whatever it matches contains."""

    literal: str
    pattern: re.Pattern[str]
    reason: NoBid


class CrawlerList:
    """The list of crawlers, read when it is made. Results are cached by header."""

    def __init__(self) -> None:
        self._others: list[_Crawler] = []
        self._by_front: dict[str, list[_Crawler]] = {}
        for one in map(pattern_of, crawleruseragents.CRAWLER_USER_AGENTS_DATA):
            front = one.literal[:_LEAST_LITERAL]
            (self._by_front.setdefault(front, []) if front else self._others).append(one)
        self._reason = MemoizedFunction(self._search, "crawlers", 1 << 19)

    def reason(self, agent: str) -> NoBid | None:
        """Return why nobody sees an ad with this User-Agent: it is a crawler's, or a program's; `None`: it may be."""
        return self._reason(agent[:_MOST_CHARACTERS]) or None

    def _search(self, agent: str) -> NoBid:
        """Return the reason of the first crawler that matches; `UNKNOWN` where none does."""
        for one in self._others:
            if one.pattern.search(agent):
                return one.reason
        for front in {agent[place : place + _LEAST_LITERAL] for place in range(len(agent))}:
            for one in self._by_front.get(front, ()):
                if one.literal in agent and one.pattern.search(agent):
                    return one.reason
        return NoBid.UNKNOWN


def pattern_of(entry: dict[str, object]) -> _Crawler:
    """Return an entry of the list, compiled."""
    text, tags = str(entry["pattern"]), entry.get("tags")
    reason = NoBid.NON_HUMAN if isinstance(tags, list) and _PROGRAMS & set(tags) else NoBid.CRAWLER
    return _Crawler(_literal(text), re.compile(text), reason)


def _literal(pattern: str) -> str:
    r"""Return the longest text that whatever a pattern matches contains; empty where there is none of use.

    `Googlebot\/` contains `Googlebot`, `(foo|bar)baz` contains `baz`. A character before `?` or `*` may be absent.
    """
    if "|" in re.sub(r"\([^)]*\)", "", pattern):
        return ""
    plain = pattern.replace(r"\/", "/").replace(r"\.", "\0")
    parts = [part[:-1] if mark in ("?", "*", "{") else part for part, mark in _parts(plain)]
    longest = max((part.replace("\0", ".") for part in parts), key=len, default="")
    return longest if len(longest) >= _LEAST_LITERAL else ""


def _parts(pattern: str) -> list[tuple[str, str]]:
    """Return the literal parts of a pattern, each with the first character of what follows it."""
    found, start = [], 0
    for mark in _META.finditer(pattern):
        found.append((pattern[start : mark.start()], mark[0][0]))
        start = mark.end()
    return [*found, (pattern[start:], "")]
