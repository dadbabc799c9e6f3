"""Native: assets must answer the requested ones, by id, each of its kind and size, none missing."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from simulation.exchange.rules.case import BidCase
from simulation.exchange.rules.raw import Json, integer, number, obj, objects, text, texts

ASSETS = ("title", "img", "video", "data")


def asked_of(slot: Json) -> Json:
    """Return the native request of an imp; empty if unreadable.

    It is a string, a string in a string, an object, any of them wrapped in `native`, or (before 1.0) the slot itself.
    """
    asked = slot.get("request", slot)
    for _ in range(2):
        if isinstance(asked, str):
            try:
                asked = msgspec.json.decode(asked)
            except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
                return {}
    found = obj(asked)
    return obj(found.get("native")) or found


def assets_asked(slot: Json) -> dict[int, Json]:
    """Return the requested assets by id; by position if no asset has an id."""
    entries = objects(asked_of(slot).get("assets"))
    if not any("id" in entry for entry in entries):
        return dict(enumerate(entries))
    return {found: entry for entry in entries if (found := integer(entry.get("id"))) is not None}


def kind_of(asset: Json) -> str:
    """Return `title`, `img`, `video` or `data`; empty for any other asset."""
    return next((name for name in ASSETS if isinstance(asset.get(name), dict)), "")


def native(case: BidCase) -> Iterator[str]:
    """Check that the markup is a native response that answers the imp's native request."""
    try:
        written = obj(msgspec.json.decode(text(case.bid.get("adm"))))
    except (msgspec.DecodeError, UnicodeEncodeError):
        yield "native markup that is not JSON"
        return
    answer = obj(written.get("native")) or written
    if not text(obj(answer.get("link")).get("url")):
        yield "no link"
    asked = assets_asked(case.slot)
    given: dict[int, Json] = {}
    for asset in objects(answer.get("assets")):
        name = integer(asset.get("id"))
        if name is None or name not in asked or name in given:
            yield f"asset {asset.get('id')!r} was not requested, or is there twice"
        else:
            given[name] = asset
    for name, wish in asked.items():
        if name in given:
            yield from (f"asset {name}: {what}" for what in _unfit(wish, given[name]))
        elif integer(wish.get("required")) == 1:
            yield f"required asset {name} is missing"


def _unfit(wish: Json, asset: Json) -> Iterator[str]:
    kind = kind_of(wish)
    if kind_of(asset) != kind:
        yield f"{kind_of(asset) or 'nothing'} where {kind or 'nothing'} was requested"
        return
    check = {"title": _title, "img": _image, "data": _data, "video": _video}.get(kind)
    if check is not None:
        yield from check(obj(wish[kind]), obj(asset[kind]))


def _title(wish: Json, given: Json) -> Iterator[str]:
    most, title = integer(wish.get("len")), text(given.get("text"))
    if not title:
        yield "an empty title"
    if most and 0 < most < len(title):
        yield f"a title of {len(title)} characters, at most {most}"


def _image(wish: Json, given: Json) -> Iterator[str]:
    if not text(given.get("url")):
        yield "an image without a URL"
    for side in ("w", "h"):
        exact, least, size = (number(wish.get(side)), number(wish.get(side + "min")), number(given.get(side)))
        if (exact or least) and size is None:
            yield f"an image without {side}"
        elif size is not None and exact and size != exact and not least:
            yield f"an image of {side} {size:g}, requested {exact:g}"
        elif size is not None and least and size < least:
            yield f"an image of {side} {size:g}, at least {least:g}"
    mimes = [mime.lower() for mime in texts(wish.get("mimes"))]
    kind = text(given.get("url")).lower().partition("?")[0].rpartition(".")[2].replace("jpg", "jpeg")
    if mimes and not any(mime.endswith("/" + kind) or mime in ("image/*", "image/jpg") for mime in mimes):
        yield f"an image {given.get('url')!r}, allowed: {', '.join(mimes)}"


def _data(wish: Json, given: Json) -> Iterator[str]:
    value, most = text(given.get("value")), integer(wish.get("len"))
    if not value:
        yield "empty data"
    if most and 0 < most < len(value):
        yield f"data of {len(value)} characters, at most {most}"
    if given.get("type") is not None and integer(given.get("type")) != integer(wish.get("type")):
        yield f"data of type {given.get('type')!r}, requested {wish.get('type')!r}"


def _video(wish: Json, given: Json) -> Iterator[str]:
    if "<VAST" not in text(given.get("vasttag")):
        yield "a video without VAST"
