"""The worst known requests of a megabyte, and how long each blocks a replica's event loop at a time.

How to run:

    python -m benchmarks.hostile [--campaigns 20]

What to expect: a table on standard error, one JSON line last. Milliseconds are CPU time of this thread, so that other
processes do not count; a request's longest step is what other callers wait for, as the event loop runs between steps.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

import msgspec
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.stages import _stages
from deployments.gzip_coding import inflate
from rtb.openrtb import InvalidRequest
from rtb.openrtb.bounds import MOST_EXPONENTS, MOST_VALUES

MOST_BYTES = 1_000_000
_SAME_HASH = 2**61 - 1
_BANNER = {"w": 300, "h": 250}
Value = TypeVar("Value")
Requests = dict[str, bytes | Callable[[int], Any]]  # a body, or a function from a size to a body


def main(campaigns: Annotated[int, typer.Option(min=1, help="number of active campaigns")] = 20) -> None:
    """Time each request."""
    torch.set_num_threads(1)
    stages = _stages(campaigns)
    longest = {name: _longest(stages, body) for name, body in bodies()}
    table = Table("request", "kB", "outcome", "longest step", "ms")
    for (name, body), (outcome, step, ms) in zip(bodies(), longest.values(), strict=True):
        table.add_row(name, str(len(body) // 1_000), outcome, step, f"{ms:.1f}")
    Console(stderr=True, width=120).print(table)
    worst = max(longest, key=lambda name: longest[name][2])
    typer.echo(json.dumps({"kinds": len(longest), "worst": worst, "worst_ms": round(longest[worst][2], 1)}))


def bodies() -> Iterator[tuple[str, bytes]]:
    """Yield requests as they come off the wire, by name; none is larger than a replica takes."""
    for name, request in {**_of_json(), **_of_imps(), **_of_fields()}.items():
        yield name, request if isinstance(request, bytes) else _filled(request)


def _filled(request: Callable[[int], Any]) -> bytes:
    """Return the largest of a series of requests that a replica still parses."""
    low, high = 1, 1 << 20
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (middle, high) if _is_allowed(_json(request(middle))) else (low, middle)
    return _json(request(low))


def _is_allowed(body: bytes) -> bool:
    return len(body) <= MOST_BYTES and body.count(b",") <= MOST_VALUES and body.count(b"e-") <= MOST_EXPONENTS


def _json(request: Any) -> bytes:
    return request if isinstance(request, bytes) else msgspec.json.encode(request)


def _with(**fields: Any) -> dict[str, Any]:
    return {"id": "1", "imp": [{"id": "1", "banner": _BANNER}], "site": {"domain": "news-001.example"}, **fields}


def _imp(**fields: Any) -> dict[str, Any]:
    return _with(imp=[{"id": "1", **fields}])


def _imps(make: Callable[[int], dict[str, Any]], most: int = 1_000) -> Callable[[int], dict[str, Any]]:
    return lambda n: _with(imp=[{"id": str(k), **make(k)} for k in range(min(n, most))])


def _tiny(number: bytes) -> Callable[[int], bytes]:
    floor = b'{"bidfloor":' + number + b"}"
    imp = b'{"id":"%d","video":{"mimes":["a/b"],"durfloors":[' + b",".join([floor] * 64) + b"]}}"
    return lambda n: b'{"id":"1","imp":[' + b",".join([imp % k for k in range(min(n, 1_000))]) + b"]}"


def _assets(n: int, **more: Any) -> dict[str, Any]:
    return {"assets": [{"id": k, "img": {"type": 3, "wmin": 1 + k, "hmin": 1}} for k in range(n)], **more}


def _of_json() -> Requests:
    return {
        "integers of one hash": lambda n: _imp(banner={**_BANNER, "battr": [_SAME_HASH * k for k in range(1, n)]}),
        "the same as texts": lambda n: _imp(banner={**_BANNER, "battr": [str(_SAME_HASH * k) for k in range(1, n)]}),
        "the same, 256 a list": _imps(lambda k: {"banner": {**_BANNER, "battr": [_SAME_HASH * m for m in range(256)]}}),
        "integers in a list of 256": _imps(lambda k: {"banner": {**_BANNER, "battr": [m << 20 for m in range(256)]}}),
        "floats for integers": lambda n: _imp(banner={**_BANNER, "battr": [k + 0.5 for k in range(n)]}),
        "large floats": lambda n: _imp(banner={**_BANNER, "battr": [1e300] * n}),
        "tiny floors": _tiny(b"1e-310"),
        "huge floats somewhere": lambda n: b'{"id":7,"x":[' + b"1e300," * n + b'1],"imp":[]}',
        "tiny floats somewhere": lambda n: b'{"id":7,"x":[' + b"1e-310," * n + b'1],"imp":[]}',
        "digits without end": b'{"id":"1","imp":[{"id":"1","banner":{"w":' + b"9" * 990_000 + b"}}]}",
        "digits without end, text": lambda n: _imp(banner={"w": "9" * n, "h": 250}),
        "integers of 4,000 digits": b'{"x":[' + b",".join([b"9" * 4_000] * 245) + b'],"id":7,"imp":[]}',
        "depth": lambda n: b"[" * min(n, 990_000),
        "objects in objects": lambda n: b'{"a":' * min(n, 190_000),
        "wide object": lambda n: _with(**{f"k{k}": 0 for k in range(n)}),
        "one name again and again": b'{"id":"1",' + b'"x":1,' * 160_000 + b'"imp":[]}',
        "imp again and again": b"{" + b'"imp":[{"id":"1","banner":{"w":"1","h":1}}],' * 6_000 + b'"id":"1"}',
        "unknown fields": lambda n: _with(ext={"x": [{"y": k} for k in range(n)]}),
        "nothing but commas": b"[" + b"," * 990_000,
        "gzip of blanks": gzip.compress(b" " * 999_000),
    }


def _of_imps() -> Requests:
    deals = [{"id": f"deal-{k}", "wadomain": ["a.example"] * 10} for k in range(50)]
    video = {"mimes": [f"video/{k}" for k in range(60)], "protocols": [2, 3, 5, 6, 7, 8]}
    audio = {"mimes": ["a/b"]}
    formats = [{"w": 300 + k, "h": 250} for k in range(100)]
    return {
        "many imps": _imps(lambda k: {"banner": _BANNER}, 1 << 20),
        "thousand imps": _imps(lambda k: {"banner": {**_BANNER, "id": "x" * 400}}),
        "untidy imps": _imps(lambda k: {"banner": {"w": "300", "h": "250"}, "secure": "1", "bidfloor": "0.1"}),
        "imps of all formats": _imps(
            lambda k: {"banner": _BANNER, "video": video, "native": {"request": _assets(5)}, "audio": audio}
        ),
        "formats, 100 an imp": _imps(lambda k: {"banner": {"format": [{**one, "h": 250 + k} for one in formats]}}),
        "untidy formats": _imps(lambda k: {"banner": {"format": [{"w": str(m), "h": str(k)} for m in range(1, 100)]}}),
        "ratios, 100 an imp": _imps(
            lambda k: {"banner": {"format": [{"wratio": m + 1, "hratio": k + 1} for m in range(100)]}}
        ),
        "media types, 60 an imp": _imps(lambda k: {"video": {**video, "minduration": k % 5}}),
        "deals, 50 an imp": _imps(lambda k: {"banner": _BANNER, "pmp": {"deals": deals}}),
        "floors by length": _imps(
            lambda k: {"video": {**video, "durfloors": [{"mindur": m, "bidfloor": 1.0} for m in range(64)]}}
        ),
        "natives as objects": _imps(lambda k: {"native": {"request": _assets(32, seq=k)}}),
        "natives as texts": _imps(lambda k: {"native": {"request": json.dumps(_assets(32, seq=k))}}),
    }


def _of_fields() -> Requests:
    return {
        "native text": lambda n: _imp(native={"request": json.dumps(_assets(5)) + " " * n}),
        "native text of assets": lambda n: _imp(native={"request": json.dumps(_assets(n))}),
        "native text in text": lambda n: _imp(native={"request": json.dumps("[" * n)}),
        "long user agent": lambda n: _with(device={"ua": "Safari " * (n // 7)}),
        "user agent of 8 kB": lambda n: _with(device={"ua": "chrome" * 1_300}, x="y" * n),
        "long page": lambda n: _with(site={"page": "https://a.example/" + "?" * n}),
        "long id": lambda n: _with(id="i" * n),
        "escapes": lambda n: b'{"id":"' + b"\\u00e9" * min(n, 160_000) + b'"}',
        "surrogate pairs": lambda n: (
            b'{"id":"1","site":{"page":"' + b"\\ud83d\\ude00" * min(n, 80_000) + b'"},"imp":[]}'
        ),
        "broken text": lambda n: b'{"id":"' + b"\xff" * min(n, 990_000),
        "segments": lambda n: _with(user={"data": [{"segment": [{"id": str(k)} for k in range(n)]}]}),
        "segments, 2,000 for 64 imps": lambda n: {
            **_with(user={"data": [{"segment": [{"id": str(k)} for k in range(1_999)]}]}),
            "imp": [{"id": str(k), "banner": _BANNER, "tagid": str(k)} for k in range(64)],
        },
        "untidy segments": lambda n: _with(user={"data": [{"segment": [{"id": k} for k in range(n)]}]}),
        "blocked advertisers": lambda n: _with(
            badv=[f"https://www.shop-{k}.example/{n}" for k in range(min(n, 3_000))]
        ),
        "all blocked, 64 imps": lambda n: {
            **_with(badv=[f"{k}.{n}.example" for k in range(3_000)], bapp=[f"app.{k}" for k in range(3_000)]),
            "bcat": [f"IAB{k}" for k in range(1_000)],
            "imp": [{"id": str(k), "banner": _BANNER} for k in range(64)],
        },
        "seats": lambda n: _with(wseat=[f"s{k}" for k in range(n)]),
        "currencies": lambda n: _with(cur=[f"C{k}" for k in range(min(n, 1_000))]),
        "consent": lambda n: _with(regs={"gdpr": 1}, user={"consent": "C" * n}),
        "consent of 32 kB": lambda n: _with(regs={"gdpr": 1}, user={"consent": "C" * 32_000}, x="y" * n),
        "us_privacy": lambda n: _with(regs={"us_privacy": "1" * n}),
    }


def _longest(stages: Any, body: bytes) -> tuple[str, str, float]:
    """Return the outcome of a request, its longest step, and that step's milliseconds."""
    edge, ctr_stage, bid_stage = stages
    spent: dict[str, float] = {}

    def timed(step: str, call: Callable[..., Value], *of: Any) -> Value:
        start = time.thread_time()
        try:
            return call(*of)
        finally:
            spent[step] = (time.thread_time() - start) * 1e3

    def prepare() -> Any:
        return edge.prepare(inflate(body, MOST_BYTES) if body[:2] == b"\x1f\x8b" else body)

    outcome = "no bid"
    try:
        prepared = timed("prepare", prepare)
        if prepared.impressions:
            batch = timed("assemble", edge.assemble, [prepared])
            scores = timed("score", ctr_stage.score, batch.rows)
            decisions = timed("decide", bid_stage.decide, batch.auction(scores.probability))
            timed("render", edge.render, batch, scores.probability, decisions)
            outcome = f"{len(decisions.candidate)} bids"
    except InvalidRequest as error:
        outcome = f"400 {error.reason}"
    step = max(spent, key=lambda name: spent[name])
    return outcome, step, spent[step]


if __name__ == "__main__":
    typer.run(main)
