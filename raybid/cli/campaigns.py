"""`raybid campaign`: campaigns, their budgets and their history."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Column, Table

from raybid.cli.client import PlatformApi
from raybid.cli.common import AsJson, Key, Url, fail, page, show_json, tree, units
from rtb.money.micros import MoneyError, units_to_micros
from rtb.runtime.terminal import plain

app = typer.Typer(no_args_is_help=True, help="Campaigns: list, show, create, pause, resume, top-up, archive, history.")

Id = Annotated[str, typer.Argument(help="campaign id")]
Amount = Annotated[float, typer.Argument(help="amount in units of the currency")]


@app.command("list")
def list_all(
    *,
    status: Annotated[str, typer.Option(help="active, paused or archived; default: all but archived")] = "",
    search: Annotated[str, typer.Option("--search", "-q", help="part of the id or name")] = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List campaigns with their budgets and spend."""
    given = {name: value for name, value in (("status", status), ("q", search)) if value}
    found = list(PlatformApi(url, key).pages("/campaigns", **given))
    if as_json:
        show_json(found)
        return
    table = Table(
        "id",
        "name",
        "status",
        *(Column(name, justify="right") for name in ("budget", "spent", "bids", "wins", "clicks")),
    )
    for one in found:
        told = one["figures"] or {}
        counts = (f"{told[name]:,}" if name in told else "-" for name in ("bids", "wins", "clicks"))
        money = (units(told.get(f"{name}_micros")) for name in ("budget", "spent"))
        table.add_row(*map(plain, (one["id"], one["name"], one["status"], *money, *counts)))
    page().print(table if found else "no campaigns: create one with `raybid campaign create`")


@app.command()
def show(campaign: Id, *, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Show one campaign with all its fields and figures."""
    _told(campaign, PlatformApi(url, key).get(_path(campaign)), as_json=as_json)


@app.command()
def create(
    campaign: Id,
    *,
    file: Annotated[
        Path | None, typer.Option(help="JSON with all fields, as POST /campaign/create takes; `-`: standard input")
    ] = None,
    name: Annotated[str, typer.Option(help="display name; default: the id")] = "",
    budget: Annotated[float, typer.Option(min=0, help="total budget, units of the currency")] = 50.0,
    hours: Annotated[float, typer.Option(min=0.01, help="hours the budget should last")] = 24.0,
    value: Annotated[float, typer.Option(min=0, help="value of a click, units of the currency")] = 0.25,
    domain: Annotated[str, typer.Option(help="advertiser's domain")] = "shop.example",
    size: Annotated[str, typer.Option(help="size of the image")] = "300x250",
    image: Annotated[str, typer.Option(help="URL of the image")] = "https://cdn.example/a.png",
    landing: Annotated[str, typer.Option(help="landing page; default: the advertiser's domain")] = "",
    country: Annotated[list[str] | None, typer.Option(help="ISO 3166-1 alpha-3; repeatable")] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Create a campaign: one banner from options, or anything from a file. It bids within one pacing interval."""
    api = PlatformApi(url, key)
    if file is not None:
        body = _read(file)
        body["id"] = campaign
    else:
        w, h = _pixels(size)
        body = {
            "id": campaign,
            "name": name or campaign,
            "adomain": [domain],
            "budget": {"total_micros": _micros(budget), "flight_seconds": hours * 3600},
            "goal": {"kind": "click", "value_micros": _micros(value)},
            "targeting": {"countries": country or []},
            "creatives": [
                {"id": "a", "w": w, "h": h, "image_url": image, "landing_url": landing or f"https://{domain}/"}
            ],
        }
    _told(campaign, api.post("/campaign/create", body).json(), as_json=as_json)


@app.command()
def pause(campaign: Id, *, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Stop bidding, within one pacing interval."""
    _told(campaign, PlatformApi(url, key).post(f"{_path(campaign)}/pause").json(), as_json=as_json)


@app.command()
def resume(campaign: Id, *, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Resume bidding, within one pacing interval."""
    _told(campaign, PlatformApi(url, key).post(f"{_path(campaign)}/resume").json(), as_json=as_json)


@app.command("top-up")
def top_up(campaign: Id, amount: Amount, *, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Add to the total budget; repeated calls add up."""
    body = {"micros": _micros(amount)}
    _told(campaign, PlatformApi(url, key).post(f"{_path(campaign)}/top-up", body).json(), as_json=as_json)


@app.command()
def archive(
    campaign: Id,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """End a campaign for good; its money and history are kept."""
    api = PlatformApi(url, key)
    version = api.get(_path(campaign))["version"]
    if not yes and not typer.confirm(f"{campaign} will never bid again. Archive it?", err=True):
        fail("nothing changed")
    answer = api.call("DELETE", _path(campaign), headers={"If-Match": f'"{version}"'})
    _told(campaign, answer.json(), as_json=as_json)


@app.command()
def history(
    campaign: Id,
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many of the latest changes")] = 100,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show who changed what, and when."""
    found = PlatformApi(url, key).get(f"{_path(campaign)}/history", limit=limit)
    if as_json:
        show_json(found)
        return
    for number, change in enumerate(found, 1):
        page().print(tree(f"change {number}", change), soft_wrap=True)


def _told(campaign: str, found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    page().print(tree(f"{campaign}: {found['status']}", found), soft_wrap=True)


def _path(campaign: str) -> str:
    if not campaign or any(sign in campaign for sign in "/?#"):
        fail(f"{campaign!r} is not a campaign id", 2)
    return f"/campaign/{campaign}"


def _micros(amount: float) -> int:
    try:
        return units_to_micros(amount)
    except MoneyError as error:
        fail(str(error), 2)


def _pixels(size: str) -> tuple[int, int]:
    w, _, h = size.lower().partition("x")
    if not (w.isdigit() and h.isdigit()):
        fail(f"--size {size} is not a size: write it as 300x250", 2)
    return int(w), int(h)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return msgspec.json.decode(content, type=dict[str, Any])
    except OSError as error:
        fail(f"{path} cannot be read ({error.strerror or error}): --file names a file with one campaign as JSON", 2)
    except msgspec.MsgspecError as error:
        fail(f"{path} does not hold a campaign as JSON: {error}", 2)
