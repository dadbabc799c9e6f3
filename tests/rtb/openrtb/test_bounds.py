"""Bounds of a request: beyond any of them it is refused, by the typed decode and by the lenient one alike."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from rtb.openrtb import BidRequest, InvalidRequest, codec, decode_request
from rtb.openrtb.bounds import MOST_ASSETS, MOST_EXPONENTS, MOST_NATIVE_CHARACTERS, MOST_SEGMENTS, MOST_VALUES
from tests.rtb.builders import make_request, to_json

_NUMBER = 2**61 - 1
"""Its multiples share one hash."""

_IMP: dict[str, Any] = {
    "id": "1",
    "banner": {"w": 300, "h": 250},
    "video": {"mimes": ["video/mp4"]},
    "audio": {"mimes": ["audio/mpeg"]},
    "native": {"request": {"assets": [{"id": 1, "title": {"len": 25}}]}},
}
_LEAST: dict[str, Any] = {
    "BidRequest": {"id": "r", "imp": [_IMP]},
    "Imp": _IMP,
    "Video": _IMP["video"],
    "Audio": _IMP["audio"],
    "Native": _IMP["native"],
    "Deal": {"id": "d"},
}
"""Structs with something that must be there."""


def _lists(struct: type[msgspec.Struct], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, int]]:
    """Each list reachable from a struct: where, of what, and how long it may be."""
    for name, said in typing.get_type_hints(struct, include_extras=True).items():
        hint = typing.get_args(said)[0] if typing.get_origin(said) in (types.UnionType, typing.Union) else said
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from _lists(hint, (*path, name))
        elif typing.get_origin(hint) is typing.Annotated and typing.get_origin(typing.get_args(hint)[0]) is list:
            whole, meta = typing.get_args(hint)
            (item,) = typing.get_args(whole)
            yield (*path, name), item, meta.max_length
            if isinstance(item, type) and issubclass(item, msgspec.Struct):
                yield from _lists(item, (*path, name, "[]"))


_LISTS = sorted(_lists(BidRequest), key=str)


def _sent(path: tuple[str, ...], items: list[Any]) -> dict[str, Any]:
    """Build a request that is valid except for one list."""
    inner: Any = items
    for place in range(len(path) - 1, -1, -1):
        name, above = path[place], _struct_at(path[:place])
        inner = [inner] if name == "[]" else {**_LEAST.get(above.__name__, {}), name: inner}
    return typing.cast(dict[str, Any], inner)


def _struct_at(path: tuple[str, ...]) -> type[msgspec.Struct]:
    struct: Any = BidRequest
    for name in path:
        if name == "[]":
            continue
        hint = typing.get_type_hints(struct)[name]
        hint = typing.get_args(hint)[0] if typing.get_origin(hint) in (types.UnionType, typing.Union) else hint
        struct = typing.get_args(hint)[0] if typing.get_origin(hint) is list else hint
    return typing.cast(type[msgspec.Struct], struct)


def _items(item: Any, number: int) -> list[Any]:
    if isinstance(item, type) and issubclass(item, msgspec.Struct):
        return [
            {**_LEAST.get(item.__name__, {}), **({"id": str(n)} if item.__name__ == "Imp" else {})}
            for n in range(number)
        ]
    return ["1"] * number if typing.get_args(item)[0] is str else [1] * number


def _refusal(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body)
    return caught.value


def test_every_list_of_a_request_is_tried() -> None:
    paths = {".".join(path).replace(".[]", "[]") for path, _, _ in _LISTS}
    assert {"imp", "imp[].banner.battr", "imp[].pmp.deals[].wseat", "user.data[].segment", "site.cat", "bcat"} <= paths
    assert len(paths) > 50


@pytest.mark.parametrize("is_tidy", [True, False])
@pytest.mark.parametrize(("path", "item", "most"), _LISTS, ids=[".".join(path) for path, _, _ in _LISTS])
def test_list_beyond_its_bound_is_refused(path: tuple[str, ...], item: Any, most: int, is_tidy: bool) -> None:
    untidy: dict[str, Any] = {} if is_tidy else {"id": 7}
    over = _refusal(to_json({**_sent(path, _items(item, most + 1)), **untidy}))
    assert over.reason == "too_many"
    decode_request(to_json({**_sent(path, _items(item, most)), **untidy}))


@pytest.mark.parametrize(
    ("path", "item"), [(path, item) for path, item, _ in _LISTS if typing.get_args(item)[:1] == (int,)]
)
def test_integers_of_one_hash_are_refused_in_every_list(path: tuple[str, ...], item: Any) -> None:
    for items in ([_NUMBER], [str(_NUMBER)], [_NUMBER * n for n in range(1, 100)]):
        assert _refusal(to_json(_sent(path, items))).reason == "wrong_type"


def test_a_request_has_a_number_of_values_at_most() -> None:
    request = make_request(unknown=[1] * MOST_VALUES)
    assert _refusal(to_json(request)).reason == "too_many"
    decode_request(to_json(make_request(unknown=[1] * (MOST_VALUES - 100))))


def test_a_request_has_a_number_of_small_numbers_at_most() -> None:
    body = b'{"id":"1","x":[' + b",".join([b"1e-310"] * (MOST_EXPONENTS + 1)) + b'],"imp":[{"id":"1","banner":{}}]}'
    assert _refusal(body).reason == "too_many"
    decode_request(body.replace(b"1e-310,", b"", 1))


def test_segments_of_all_providers_together_have_a_bound() -> None:
    data = [{"segment": [{"id": f"{n}-{m}"} for m in range(MOST_SEGMENTS // 4)]} for n in range(4)]
    decode_request(to_json(make_request(user={"data": data})))
    more = [*data, {"segment": [{"id": "one"}]}]
    assert _refusal(to_json(make_request(user={"data": more}))).reason == "too_many"


def _native(request: Any) -> bytes:
    return to_json(make_request(imp=[{"id": "1", "native": {"request": request}}]))


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize(
    "asked",
    [
        {"assets": [{"id": n, "title": {"len": 9}} for n in range(MOST_ASSETS + 1)]},
        {"assets": [{"id": {"a": 1}, "title": {"len": 9}}]},
        {"assets": [{"id": 1, "title": {"len": 9}}], "eventtrackers": [{"event": 1, "methods": [1] * 101}]},
        {
            "assets": [
                {"id": 1, "video": {"mimes": ["a/b"] * 101, "protocols": [2], "minduration": 1, "maxduration": 2}}
            ]
        },
    ],
)
def test_a_native_request_has_bounds_of_its_own(asked: Any, as_text: bool) -> None:
    assert _refusal(_native(json.dumps(asked) if as_text else asked)).reason == "bad_native"


def test_a_native_text_has_a_length_at_most() -> None:
    text = json.dumps({"assets": [{"id": 1, "title": {"len": 9}}]})
    decode_request(_native(text.ljust(MOST_NATIVE_CHARACTERS)))
    assert _refusal(_native(text.ljust(MOST_NATIVE_CHARACTERS + 1))).reason == "bad_native"


def test_a_text_beyond_its_length_is_left_out_where_it_describes_and_refused_where_it_binds() -> None:
    request = decode_request(to_json(make_request(device={"ua": "x" * 900_000, "os": "iOS"})))
    assert request.device is not None
    assert (request.device.ua, request.device.os) == (None, "iOS")
    assert _refusal(to_json(make_request(id="x" * 900_000))).reason == "wrong_type"


def test_the_lenient_decode_looks_at_nothing_in_a_list_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    tidy = codec._tidy_int

    def counted(value: Any, path: str) -> Any:
        seen.append(value)
        return tidy(value, path)

    monkeypatch.setitem(codec._SCALARS, int, counted)
    body = to_json(make_request(id=7, imp=[{"id": "1", "banner": {"w": 1, "h": 1, "battr": ["1"] * 10_000}}]))
    assert _refusal(body).reason == "too_many"
    assert len(seen) < 10
