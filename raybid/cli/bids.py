"""`raybid bid` and `explain`: one bid, and why it is what it is."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Column, Table

from raybid.cli.client import Api
from raybid.cli.common import AsJson, Key, Url, fail, page, settings, show_json, tree
from raybid.explained import fault, show
from rtb.runtime.plain import plain
from rtb.simple_api import FlatRequest
from rtb.simple_api.request import DeviceName, Form

_ON_ITS_WAY_S = 1.0
"""A bid that was made this moment by another replica than the one asked may not be recorded for half a second."""

_SHOWN = ("campaign", "creative", "w", "h", "adomain", "expires_seconds", "bid_id", "token")


def bid(
    *,
    w: Annotated[int, typer.Option(min=1, help="width of the slot, pixels")] = 300,
    h: Annotated[int, typer.Option(min=1, help="height")] = 250,
    format: Annotated[Form, typer.Option(help="what is sold")] = "banner",
    page_url: Annotated[str, typer.Option("--page", help="URL of the page the slot is on")] = "",
    app: Annotated[str, typer.Option(help="or bundle of the app")] = "",
    floor: Annotated[float, typer.Option(min=0, help="lowest price taken, CPM")] = 0.0,
    device: Annotated[DeviceName | None, typer.Option(help="kind of device")] = None,
    geo: Annotated[str, typer.Option(help="country and region: USA/CA")] = "",
    user: Annotated[str, typer.Option(help="id of the user")] = "",
    openrtb: Annotated[
        Path | None, typer.Option(help="a file with an OpenRTB request instead; `-`: standard input")
    ] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Ask for one bid: the price, or why there is none; both are answers, and exit code 0."""
    api = Api(url, key, "exchange_key")
    if openrtb is not None:
        _show_openrtb(api, _read(openrtb), as_json=as_json)
        return
    fields: dict[str, Any] = {"format": format, "floor": floor}
    named = {"page": page_url, "app": app, "geo": geo, "user": user, "device": device}
    fields |= {name: value for name, value in named.items() if value}
    if format in ("banner", "video"):
        fields |= {"w": w, "h": h}
    try:
        msgspec.convert(fields, FlatRequest)
    except msgspec.ValidationError as error:
        fail(str(error), 2)
    answer = api.post("/bid", fields).json()
    if as_json:
        show_json(answer)
        return
    if not answer["bid"]:
        page().print(plain(f"no bid ({answer['reason']}): {answer['message']}"), soft_wrap=True)
        return
    table = Table("", Column("", overflow="fold"), show_header=False, box=None)
    table.add_row("price", plain(f"{answer['price']} {answer['currency']} CPM"), style="bold")
    for name in _SHOWN:
        if name in answer:
            value = answer[name]
            table.add_row(name, plain(", ".join(value) if isinstance(value, list) else value))
    page().print(table, soft_wrap=True)


def explain(
    *,
    bid_id: Annotated[
        str, typer.Argument(help="of a bid: `bid_id` in an answer, or `bid.id` in OpenRTB; `-`: the answer is piped in")
    ] = "",
    sample: Annotated[int, typer.Option(min=0, help="instead: so many of the last bids of this folder, at random")] = 0,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Say why a bid is what it is, and compute its price again: 0 when that comes out to the micro-unit."""
    if bid_id == "-":
        bid_id = _piped()
    if bool(bid_id.strip()) == bool(sample) or any(sign in bid_id for sign in "/?#"):
        fail(f"{bid_id!r} is no id of a bid: give one, or --sample COUNT", 2)
    if sample:
        _sample(sample)
        return
    found = Api(url, key).get(f"/explain/{bid_id}")
    if as_json:
        show_json(found)
    else:
        show(found, page())
    if (wrong := fault(found)) is not None:
        fail(wrong)


def _piped() -> str:
    """The id of the bid in the answer on standard input, as `bid --json` and the API give it."""
    try:
        answer = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, Any])
        found = answer.get("bid_id") or answer["seatbid"][0]["bid"][0]["id"]
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        fail("there is no bid on standard input: pipe in what `raybid bid --json` or the API answers, with a bid in it")
    time.sleep(_ON_ITS_WAY_S)
    return str(found)


def _sample(count: int) -> None:
    """Bids of this folder decided again here, whether the platform runs or not."""
    from raybid.explain import EXPLAIN_ERRORS, sampled  # noqa: PLC0415 - seconds, for the models' library

    try:
        told = sampled(settings(), count)
    except EXPLAIN_ERRORS as error:
        fail(str(error))
    show_json(told)
    if told["equal"] != told["sampled"]:
        fail(f"{told['sampled'] - told['equal']} of {told['sampled']} prices come out otherwise: see above")


def _show_openrtb(api: Api, body: bytes, *, as_json: bool) -> None:
    answer = api.post("/openrtb2/bid", body)
    found: Any = answer.json() if answer.content else None
    if as_json:
        show_json(found)
    elif found is None:
        page().print("no bid (204)")
    else:
        page().print(tree("bid response", found), soft_wrap=True)


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        fail(f"{path} cannot be read ({error.strerror or error}): --openrtb names a file with one OpenRTB request", 2)
