"""Lists that make sets and dicts quadratic, and lists that are merely long, wherever a request has lists."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from verification.attacks.case import Attacks, Finding
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_MERSENNE = 2**61 - 1
"""Modulus of Python's integer hash: all its multiples collide in a set."""

_MANY = 20_000
_SOME = 5_000
_REFUSED = range(400, 500)

Place = Callable[[list[Any]], dict[str, Any]]
"""A function that puts a list in one place and returns the request's top-level fields."""


def _imp(**formats: Any) -> dict[str, Any]:
    return {"imp": [{"id": "1", **formats}]}


def _banner(**fields: Any) -> dict[str, Any]:
    return _imp(banner={"w": 300, "h": 250, **fields})


def _video(**fields: Any) -> dict[str, Any]:
    return _imp(video={"w": 640, "h": 360, "mimes": ["video/mp4"], "maxduration": 30, "protocols": [2], **fields})


def _audio(**fields: Any) -> dict[str, Any]:
    return _imp(audio={"mimes": ["audio/mpeg"], "maxduration": 30, **fields})


def _deal(**fields: Any) -> dict[str, Any]:
    return _imp(banner={"w": 300, "h": 250}, pmp={"deals": [{"id": "d", **fields}]})


def _native(**fields: Any) -> dict[str, Any]:
    return _imp(native={"request": '{"ver":"1.2","assets":[{"id":1,"title":{"len":90}}]}', **fields})


_NUMBERS: dict[str, Place] = {
    "banner.battr": lambda v: _banner(battr=v),
    "banner.btype": lambda v: _banner(btype=v),
    "banner.api": lambda v: _banner(api=v),
    "banner.expdir": lambda v: _banner(expdir=v),
    "video.battr": lambda v: _video(battr=v),
    "video.api": lambda v: _video(api=v),
    "video.protocols": lambda v: _video(protocols=v),
    "video.playbackmethod": lambda v: _video(playbackmethod=v),
    "video.delivery": lambda v: _video(delivery=v),
    "video.companiontype": lambda v: _video(companiontype=v),
    "video.rqddurs": lambda v: _video(rqddurs=v),
    "audio.battr": lambda v: _audio(battr=v),
    "audio.protocols": lambda v: _audio(protocols=v),
    "audio.delivery": lambda v: _audio(delivery=v),
    "audio.rqddurs": lambda v: _audio(rqddurs=v),
    "native.battr": lambda v: _native(battr=v),
    "native.api": lambda v: _native(api=v),
    "regs.gpp_sid": lambda v: {**_banner(), "regs": {"gpp_sid": v}},
    "regs.ext.gpp_sid": lambda v: {**_banner(), "regs": {"ext": {"gpp_sid": v}}},
    "companionad[].battr": lambda v: _video(companionad=[{"w": 300, "h": 250, "battr": v}]),
}
_TEXTS: dict[str, Place] = {
    "bcat": lambda v: {**_banner(), "bcat": v},
    "badv": lambda v: {**_banner(), "badv": v},
    "bapp": lambda v: {**_banner(), "bapp": v},
    "acat": lambda v: {**_banner(), "acat": v},
    "cur": lambda v: {**_banner(), "cur": v},
    "wseat": lambda v: {**_banner(), "wseat": v},
    "bseat": lambda v: {**_banner(), "bseat": v},
    "wlang": lambda v: {**_banner(), "wlang": v},
    "wlangb": lambda v: {**_banner(), "wlangb": v},
    "site.cat": lambda v: {**_banner(), "site": {"domain": "money.example", "cat": v}},
    "banner.mimes": lambda v: _banner(mimes=v),
    "video.mimes": lambda v: _video(mimes=v),
    "audio.mimes": lambda v: _audio(mimes=v),
    "imp.iframebuster": lambda v: _imp(banner={"w": 300, "h": 250}, iframebuster=v),
    "deal.wseat": lambda v: _deal(wseat=v),
    "deal.wadomain": lambda v: _deal(wadomain=v),
}
_OBJECTS: dict[str, tuple[Place, Callable[[int], Any]]] = {
    "imp": (lambda v: {"imp": v}, lambda i: {"id": str(i), "banner": {"w": 300, "h": 250}}),
    "banner.format": (lambda v: _banner(format=v), lambda i: {"w": 1 + i % 100, "h": 1 + i // 100}),
    "pmp.deals": (
        lambda v: _imp(banner={"w": 300, "h": 250}, pmp={"deals": v}),
        lambda i: {"id": f"d{i}", "bidfloor": 0.1},
    ),
    "video.durfloors": (lambda v: _video(durfloors=v), lambda i: {"mindur": i, "maxdur": i + 1, "bidfloor": 0.1}),
    "video.companionad": (lambda v: _video(companionad=v), lambda i: {"w": 1 + i % 100, "h": 1 + i // 100}),
    "user.data": (lambda v: {**_banner(), "user": {"data": v}}, lambda i: {"segment": [{"id": str(i)}]}),
    "user.data[].segment": (lambda v: {**_banner(), "user": {"data": [{"segment": v}]}}, lambda i: {"id": str(i)}),
    "user.eids": (lambda v: {**_banner(), "user": {"eids": v}}, lambda i: {"source": str(i), "uids": [{"id": "x"}]}),
    "source.schain.nodes": (
        lambda v: {**_banner(), "source": {"schain": {"nodes": v}}},
        lambda i: {"asi": f"a{i}.example", "sid": str(i)},
    ),
    "device.sua.browsers": (lambda v: {**_banner(), "device": {"sua": {"browsers": v}}}, lambda i: {"brand": str(i)}),
}
_UNREAD = {"banner.expdir", "video.companiontype", "video.companionad", "companionad[].battr"}
"""Lists that this bidder does not read: such a request may be answered, if it delays nobody."""


def wide() -> list[int]:
    """Return distinct multi-digit integers, multiples of 2**61 - 1: 340 kB of them."""
    return [_MERSENNE * (1 + i) for i in range(16_000)]


def _posted(target: AttackedPlatform, fields: dict[str, Any], *, zipped: bool = False) -> tuple[int, float]:
    """Return status and seconds of a request with these fields."""
    body = _big_json({"id": "c", "at": 2, "site": {"domain": "money.example"}, **fields})
    headers = {"Content-Encoding": "gzip"} if zipped else {}
    answer = target.call(
        "POST", "/openrtb2/alpha", "alpha", content=gzip.compress(body) if zipped else body, headers=headers
    )
    return answer.status_code, answer.elapsed.total_seconds()


def _big_json(fields: dict[str, Any]) -> bytes:
    """Encode JSON with integers of any size."""
    return msgspec.json.encode(fields) if _fits(fields) else _slow_json(fields)


def _fits(fields: dict[str, Any]) -> bool:
    try:
        msgspec.json.encode(fields)
    except OverflowError:
        return False
    return True


def _slow_json(fields: dict[str, Any]) -> bytes:
    import json  # noqa: PLC0415 - msgspec cannot encode integers above 64 bits

    return json.dumps(fields).encode()


def _answered(target: AttackedPlatform, fields: dict[str, Any], *, must: bool = True, zipped: bool = False) -> str:
    """Return what is wrong with the answer to a hostile list: it must be 4xx, soon, or 2xx if the list is not read."""
    status, seconds = _posted(target, fields, zipped=zipped)
    good = status in _REFUSED or (not must and status in (200, 204))
    return "" if good and seconds < 1.0 else f"{status} after {seconds * 1e3:.0f} ms"


def _hostile(place: Place, values: Callable[[], list[Any]], must: bool, target: AttackedPlatform) -> str:
    return _answered(target, place(values()), must=must)


def _texts() -> list[str]:
    return [f"t{i:06d}.example" for i in range(_MANY)]


def _objects(make: Callable[[int], Any]) -> list[Any]:
    return [make(i) for i in range(_SOME)]


for _name, _place in _NUMBERS.items():
    attacks.add(
        Finding.COLLISIONS, f"integers that collide in {_name}", partial(_hostile, _place, wide, _name not in _UNREAD)
    )
for _name, _place in _TEXTS.items():
    attacks.add(Finding.COLLISIONS, f"20,000 texts in {_name}", partial(_hostile, _place, _texts, _name not in _UNREAD))
for _name, (_place, _make) in _OBJECTS.items():
    attacks.add(
        Finding.COLLISIONS,
        f"5,000 objects in {_name}",
        partial(_hostile, _place, partial(_objects, _make), _name not in _UNREAD),
    )


@attacks(Finding.COLLISIONS, "sizes whose pairs collide in banner.format")
def size_pairs(target: AttackedPlatform) -> str:
    """Try pairs of multiples of the modulus: a tuple's hash is built from its parts', which are all zero."""
    pairs = [{"w": _MERSENNE * (i % 4), "h": _MERSENNE * (i // 4 % 4)} for i in range(8_000)]
    return _answered(target, _banner(format=pairs))


@attacks(Finding.COLLISIONS, "sizes of large numbers, as width, height and ratio")
def huge_sizes(target: AttackedPlatform) -> str:
    """Check that every integer has a range."""
    found = []
    for name in ("w", "h", "wmin", "wmax", "pos"):
        for value in (2**63 - 1, -(2**63), _MERSENNE, 2**64, -1):
            status, _ = _posted(target, _banner(**{name: value}))
            if status >= 500:
                found.append(f"{name}={value}: {status}")
    return ", ".join(found)


def _everywhere(each: int, target: AttackedPlatform) -> str:
    """Put colliding integers in many places at once, compressed: small on the wire."""
    values = wide()[:each]
    banner = {"w": 300, "h": 250, "battr": values, "btype": values, "api": values}
    imps = [{"id": str(i), "banner": banner} for i in range(12_000 // each)]
    return _answered(target, {"imp": imps[:60]}, zipped=True)


for _each in (20, 60, 250, 1_000):
    attacks.add(
        Finding.COLLISIONS, f"{_each} integers that collide, in many lists of one request", partial(_everywhere, _each)
    )


def _written(write: Callable[[int], Any], target: AttackedPlatform) -> str:
    return _answered(target, _banner(battr=[write(one) for one in wide()]))


for _kind, _write in (("texts", str), ("floats", float), ("negative", lambda one: -one)):
    attacks.add(Finding.COLLISIONS, f"integers that collide, written as {_kind}", partial(_written, _write))


@attacks(Finding.COLLISIONS, "colliding integers in lists of POST /bid/batch")
def flat_lists(target: AttackedPlatform) -> str:
    """Try the lists of the REST API."""
    slot = {"w": 300, "h": 250, "page": "https://money.example/", "block_attributes": wide()[:99]}
    body = _big_json({"bids": [slot] * 500})
    answer = target.call("POST", "/bid/batch", "alpha", content=body, headers={"Content-Type": "application/json"})
    return "" if answer.status_code in _REFUSED else f"{answer.status_code} after {answer.elapsed.total_seconds()} s"
