"""`raybid bid` and `raybid explain`: ask for one bid, and explain one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Column, Table

from raybid.cli.client import PlatformApi
from raybid.cli.common import AsJson, Key, Url, fail, page, settings, show_json, tree
from raybid.explained import fault, show
from rtb.runtime.terminal import plain
from rtb.simple_api import FlatRequest
from rtb.simple_api.request import DeviceName, Form

_ON_ITS_WAY_S = 1.0
"""The wait before explaining a fresh bid: another replica's bids can take half a second to be recorded."""

_SHOWN = ("campaign", "creative", "w", "h", "adomain", "expires_seconds", "bid_id", "token")


def bid(
    *,
    w: Annotated[int, typer.Option(min=1, help="width of the slot, pixels")] = 300,
    h: Annotated[int, typer.Option(min=1, help="height of the slot, pixels")] = 250,
    format: Annotated[Form, typer.Option(help="format of the slot")] = "banner",
    page_url: Annotated[str, typer.Option("--page", help="URL of the page the slot is on")] = "",
    app: Annotated[str, typer.Option(help="bundle of the app, instead of a page")] = "",
    floor: Annotated[float, typer.Option(min=0, help="floor price, CPM")] = 0.0,
    device: Annotated[DeviceName | None, typer.Option(help="device type")] = None,
    geo: Annotated[str, typer.Option(help="country and region: USA/CA")] = "",
    user: Annotated[str, typer.Option(help="user id")] = "",
    openrtb: Annotated[
        Path | None, typer.Option(help="send the OpenRTB request in this file instead; `-`: standard input")
    ] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Ask for one bid and show its price, or why there is none; both exit with 0."""
    api = PlatformApi(url, key, "exchange_key")
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
        str, typer.Argument(help="bid id: `bid_id` of an answer, or `bid.id` in OpenRTB; `-`: read a piped answer")
    ] = "",
    sample: Annotated[int, typer.Option(min=0, help="explain this many of this folder's latest bids, at random")] = 0,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Explain a bid and recompute its price; exits with 0 when the price matches to the micro-unit."""
    if bid_id == "-":
        bid_id = _piped()
    if bool(bid_id.strip()) == bool(sample) or any(sign in bid_id for sign in "/?#"):
        fail(f"{bid_id!r} is not a bid id: give one, or --sample COUNT", 2)
    if sample:
        _sample(sample)
        return
    found = PlatformApi(url, key).get(f"/explain/{bid_id}")
    if as_json:
        show_json(found)
    else:
        show(found, page())
    if (wrong := fault(found)) is not None:
        fail(wrong)


def _piped() -> str:
    """Return the id of the bid in the answer on standard input, in the format of `bid --json` or the API."""
    try:
        answer = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, Any])
        found = answer.get("bid_id") or answer["seatbid"][0]["bid"][0]["id"]
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        fail("no bid on standard input: pipe in an answer of `raybid bid --json` or of the API that has a bid")
    time.sleep(_ON_ITS_WAY_S)
    return str(found)


def _sample(count: int) -> None:
    """Recompute some of this folder's bids in this process, whether the platform runs or not."""
    from raybid.explain import EXPLAIN_ERRORS, sampled  # noqa: PLC0415 - importing torch takes seconds

    try:
        told = sampled(settings(), count)
    except EXPLAIN_ERRORS as error:
        fail(str(error))
    show_json(told)
    if told["equal"] != told["sampled"]:
        fail(f"{told['sampled'] - told['equal']} of {told['sampled']} prices do not match: see above")


def _show_openrtb(api: PlatformApi, body: bytes, *, as_json: bool) -> None:
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
