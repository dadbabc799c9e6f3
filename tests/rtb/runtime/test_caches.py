"""What is remembered between requests has a bound in bytes, and keeps it whatever callers choose."""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.inventory import blocks, device, impression, user_agent
from rtb.inventory.crawlers import CrawlerList
from rtb.inventory.data_centers import DataCenters
from rtb.inventory.impression import Restrictions
from rtb.inventory.slots import BannerSlot, VideoSlot, native, values
from rtb.models import features
from rtb.openrtb import domains, native_validity
from rtb.openrtb.protobuf import decode_protobuf, parts
from rtb.privacy import permissions
from rtb.runtime.caches import BoundedCache, MemoizedFunction, size_of
from rtb.simple_api import convert
from rtb.targeting.catalog_view import CatalogView
from rtb.targeting.index import TargetingIndex
from rtb.targeting.listing import Listing
from simulation.exchange.protobuf import to_message
from tests.rtb.builders import make_campaign, make_request

_MOST_TOGETHER = 30_000_000
"""Bytes that callers can make a replica keep, with a catalog of some dozen campaigns: docs/security says so."""

_SHORT_BUCKETS = 5_500_000

_ROOMS = (
    "exchanges",
    "inventory",
    "inventory/slots",
    "markup",
    "openrtb",
    "openrtb/protobuf",
    "privacy",
    "simple_api",
    "targeting",
)
_FILES = ("auction/edge", "campaigns/creative", "models/features", "money/currency", "runtime/caches")
_COUNTED = {
    "rtb.exchanges.profile.number_of": 32,
    "rtb.models.features._short_bucket": 64,
    "rtb.inventory.user_agent._resolver": 0,
    "rtb.openrtb.field_plans.plan_of": 0,
    "rtb.openrtb.protobuf.parts.part_readers": 0,
    "rtb.openrtb.protobuf.plans._plan": 0,
    "rtb.openrtb.protobuf.plans.request_plan": 0,
    "rtb.openrtb.protobuf.reader._readers": 0,
    "rtb.openrtb.protobuf.schema.pool": 0,
    "rtb.openrtb.protobuf.schema.message_type": 32,
}
"""Caches that count entries, and how long their keys may be: short ones, or types of ours."""


def _native(n: int) -> str:
    return json.dumps({"assets": [{"id": n, "title": {"len": 9}}], "more": "x" * (n % 3_000)})


_KEYS: dict[str, Callable[[int], tuple[Any, ...]]] = {
    "headers": lambda n: (f"{n}" + "\U0001f600" * (n % 5_000), "", 0),
    "geo": lambda n: ("US", f"R{n}" + "\U0001f600" * (n % 100), "c" * (n % 500)),
    "consents": lambda n: (f"C{n}" + "A" * (n % 3_000), 755),
    "gpp": lambda n: (f"DBABMA~{n}" + "A" * (n % 3_000), (n % 27, 7), 0),
    "networks": lambda n: (f"{n}.{n}.{n}.{n}" * (n % 100 + 1),),
    "domains": lambda n: (f"www.shop-{n}.example" + "y" * (n % 500),),
    "apps": lambda n: (f"com.example-{n}" + "y" * (n % 500),),
    "media types": lambda n: (f"image/{n}" + "z" * (n % 500),),
    "places": lambda n: ("site", f"news-{n}" + "p" * (n % 500), "IAB1", "banner", str(n)),
    "devices": lambda n: (f"C{n}", f"C{n}/R", n, "o" * (n % 500), "chrome"),
    "segments": lambda n: tuple(f"{n}-{m}" + "s" * (n % 300) for m in range(8)),
    "native requests": lambda n: (_native(n),),
    "faults of native requests": lambda n: (_native(n),),
    "flat native requests": lambda n: (n % 10_000 + 1, n // 10_000 + 1),
}
_FUNCTIONS: list[MemoizedFunction[Any]] = [
    device.by_header,
    impression._place,
    user_agent.network_of,
    permissions._by_tcf,
    permissions._by_gpp,
    domains.domain,
    blocks.app,
    values.plain_mime,
    features._place_buckets,
    features._device_buckets,
    features._segment_buckets,
    native.asked_for,
    native_validity._fault_of,
    convert._native_request,
]


def _grown(fill: Callable[[], None]) -> int:
    """Bytes that are held after something was done and were not before."""
    gc.collect()
    tracemalloc.start()
    try:
        fill()
        features._short_bucket.cache_clear()  # which is measured by itself
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def _fill(cache: BoundedCache[Any], ask: Callable[[int], Any]) -> Callable[[], None]:
    """Ask until it has been full twice over, with what is small and what is large."""

    def fill() -> None:
        for n in count():
            ask(n)
            if cache.misses - len(cache) > len(cache) + 200 and n > 300:
                return

    return fill


@pytest.mark.parametrize("function", _FUNCTIONS, ids=lambda function: function.name.replace(" ", "_"))
def test_function_holds_what_is_said_whatever_it_is_asked(function: MemoizedFunction[Any]) -> None:
    fresh: MemoizedFunction[Any] = MemoizedFunction(function._make, function.name, function.most_bytes)
    user_agent.load()  # patterns, which are no cache
    grown = _grown(_fill(fresh, lambda n: fresh(*_KEYS[function.name](n))))
    assert len(fresh) > 20
    assert fresh.bytes <= fresh.most_bytes
    assert grown <= fresh.most_bytes + 200_000


def test_short_buckets_hold_what_is_said() -> None:
    features._short_bucket.cache_clear()
    wide = "\U0001f600" * 58
    tracemalloc.start()
    for n in range(20_000):
        features.bucket("tag", f"{n:06}{wide}")
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 1_000_000 < grown < _SHORT_BUCKETS
    features._short_bucket.cache_clear()
    features.bucket("tag", "x" * 65)
    assert features._short_bucket.cache_info().currsize == 0


def _index() -> TargetingIndex:
    return TargetingIndex([Listing(n, make_campaign(f"c{n}")) for n in range(1, 31)])


def test_slots_and_terms_hold_what_is_said() -> None:
    index = _index()
    sizes = lambda n: tuple((n, m) for m in range(1, n % 100 + 2))  # noqa: E731
    blocked = lambda n: tuple(f"adv:{n}-{m}.example" for m in range(n % 2_000 + 1))  # noqa: E731
    ask: dict[BoundedCache[Any], Callable[[int], Any]] = {
        index._shown: lambda n: index._shown.get(index._show, (BannerSlot(sizes=sizes(n)), ())),
        index._admitted: lambda n: index._admitted.get(index._admit, (Restrictions(blocked=blocked(n)), None)),
    }
    for cache, call in ask.items():
        assert _grown(_fill(cache, call)) <= cache.most_bytes + 400_000
        assert len(cache) > 20


def test_showpieces_hold_what_is_said() -> None:
    view = CatalogView([Listing(1, make_campaign("c1"))])
    cache = view._templates
    slots = lambda n: VideoSlot(w=n, mimes=frozenset(f"video/{n}-{m}" for m in range(n % 64)))  # noqa: E731
    made = view.template(BannerSlot(), 0)
    assert (
        _grown(_fill(cache, lambda n: cache.get(lambda slot, row: made, (slots(n), 0)))) <= cache.most_bytes + 400_000
    )


def test_messages_hold_what_is_said() -> None:
    cache = parts._lasting
    formats = lambda n: [{"w": n % 3}] * (n % 90 + 1)  # noqa: E731
    texts = lambda n: [f"{n}-{m}" + "\U0001f600" * (n % 40) for m in range(n % 9)]  # noqa: E731

    def ask(n: int) -> None:
        banner = {"format": formats(n), "battr": [*range(n % 200)], "mimes": texts(n)}
        decode_protobuf(to_message(make_request(imp=[{"id": str(n), "banner": banner}])))

    assert _grown(_fill(cache, ask)) <= cache.most_bytes + 400_000
    assert cache.bytes <= cache.most_bytes
    assert len(cache) > 20


def test_passing_messages_hold_what_is_said() -> None:
    cache = parts._passing
    names = lambda n: [f"{n}-{m}" + "\U0001f600" * (n % 40) for m in range(n % 90)]  # noqa: E731

    def ask(n: int) -> None:
        device = {"ua": "u" * (n % 3_000), "ip": str(n), "geo": {"zip": str(n)}}
        decode_protobuf(to_message(make_request(device=device, badv=names(n), bcat=names(n + 1), regs={"gpp": str(n)})))

    assert _grown(_fill(cache, ask)) <= cache.most_bytes + 400_000
    assert cache.bytes <= cache.most_bytes
    assert len(cache) > 20


def test_traffic_holds_what_is_said() -> None:
    crawlers = CrawlerList()._reason
    assert (
        _grown(_fill(crawlers, lambda n: crawlers(f"{n}" + "\U0001f600" * (n % 500)))) <= crawlers.most_bytes + 200_000
    )
    addresses = DataCenters(["198.51.100.0/24"])._found
    assert _grown(_fill(addresses, lambda n: addresses(f"{n}" * (n % 50 + 1)))) <= addresses.most_bytes + 200_000


def test_all_of_them_together_hold_no_more_than_is_said() -> None:
    view = CatalogView([Listing(n, make_campaign(f"c{n}")) for n in range(1, 31)])
    traffic = (CrawlerList()._reason, DataCenters([])._found)
    own = (view.index._shown, view.index._admitted, view._templates, parts._lasting, parts._passing, *traffic)
    assert sum(one.most_bytes for one in (*_FUNCTIONS, *own)) + _SHORT_BUCKETS <= _MOST_TOGETHER


def _cached(tree: ast.AST) -> Iterator[str]:
    """Names of functions that `functools` keeps the answers of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            if any(
                "cache" in ast.unparse(one) and "cached_property" not in ast.unparse(one) for one in node.decorator_list
            ):
                yield node.name
        elif isinstance(node, ast.Assign) and "lru_cache" in ast.unparse(node.value):
            yield ast.unparse(node.targets[0])


def test_no_cache_on_the_way_of_a_request_counts_entries() -> None:
    root = Path(inspect.getfile(importlib.import_module("rtb"))).parent
    files = [root / f"{name}.py" for name in _FILES]
    files += [path for name in _ROOMS for path in (root / name).glob("*.py")]
    found = {
        f"rtb.{'.'.join(path.relative_to(root).with_suffix('').parts)}.{name}"
        for path in files
        for name in _cached(ast.parse(path.read_text()))
    }
    assert found == set(_COUNTED)
    known = {function.name for function in _FUNCTIONS} | {
        "slots",
        "terms",
        "showpieces",
        "messages",
        "passing messages",
        "crawlers",
        "data centres",
    }
    assert {one.name for one in BoundedCache.every if not one.name.startswith("test")} <= known


def test_the_oldest_make_room() -> None:
    double: MemoizedFunction[int] = MemoizedFunction(lambda x: 2 * x, "test", 4_000)
    assert [double(n) for n in range(50)] == [2 * n for n in range(50)]
    assert 1 < len(double) < 20
    before = double.misses
    double(49)
    assert double.misses == before
    double(0)
    assert double.misses == before + 1


def test_an_answer_of_none_is_an_answer() -> None:
    nothing: MemoizedFunction[None] = MemoizedFunction(lambda _: None, "test", 4_000)
    assert [nothing(1), nothing(1)] == [None, None]
    assert (nothing.hits, nothing.misses) == (1, 1)


def test_what_would_fill_it_alone_is_not_kept() -> None:
    echo: MemoizedFunction[str] = MemoizedFunction(str, "test", 8_000)
    assert echo("x" * 2_000) == "x" * 2_000
    assert (len(echo), echo.bytes) == (0, 0)


def test_threads_that_ask_the_same_count_it_once() -> None:
    echo: MemoizedFunction[str] = MemoizedFunction(str, "test", 50_000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: echo(n % 200), range(4_000)))
    assert echo.bytes == sum(size for _, size in echo._kept.values()) <= echo.most_bytes


@given(st.lists(st.text(max_size=50), max_size=20))
def test_size_counts_all_that_is_inside(texts: list[str]) -> None:
    slot = VideoSlot(mimes=frozenset(texts))
    assert size_of(slot) >= sum(map(sys.getsizeof, set(texts)))
    assert size_of((slot, slot)) >= 2 * size_of(slot)
