"""Strangers' calls of the API of a platform, and records that others wrote past the API."""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from rtb.runtime import calls
from verification.strangers.case import Case
from verification.strangers.machine import CommandEnvironment, machine

_TAKEN_UP_SECONDS = 20.0
_CREATIVE = {
    "id": "b",
    "w": 300,
    "h": 250,
    "image_url": "https://cdn.example/a.png",
    "landing_url": "https://a.example/",
}
_DEAL = "a deal of strangers"


def _campaign(**fields: Any) -> dict[str, Any]:
    """Return a campaign that bids its agreed price, whatever the pacing says."""
    return {
        "id": f"s-{secrets.token_hex(5)}",
        "name": "a stranger's",
        "adomain": ["a.example"],
        "budget": {"total_micros": 100_000_000},
        "goal": {"value_micros": 1_000_000},
        "creatives": [_CREATIVE],
        **fields,
    }


_MOMENTS = {
    "9999-12-31T23:59:59-05:00": 422,
    "9999-12-31T23:59:59-00:01": 422,
    "0001-01-01T00:00:00+05:00": 422,
    "9999-12-31T23:59:59Z": 201,
    "9999-12-31T23:59:59+05:00": 201,
    "2038-01-19T03:14:08Z": 201,
    "2099-12-31T23:59:59.999999Z": 201,
    "9999-12-31": 422,
    "9999-12-31T24:00:00Z": 422,
    "2030-02-29T00:00:00Z": 422,
    "+292278994-08-17T07:12:55Z": 422,
    "2030-01-01T00:00:00": 422,
    "never": 422,
    "": 422,
}
_NUMBERS: dict[str, tuple[dict[str, Any], int]] = {
    "a budget of 2^53": ({"budget": {"total_micros": 2**53}}, 201),
    "a budget of 2^53 + 1": ({"budget": {"total_micros": 2**53 + 1}}, 422),
    "a budget of 2^64": ({"budget": {"total_micros": 2**64}}, 422),
    "a budget of 1e300": ({"budget": {"total_micros": 1e300}}, 422),
    "a budget of nothing": ({"budget": {"total_micros": 0}}, 422),
    "a budget in text": ({"budget": {"total_micros": "5"}}, 422),
    "a value of 2^53": ({"goal": {"value_micros": 2**53}}, 201),
    "a value below nothing": ({"goal": {"value_micros": -1}}, 422),
    "a flight of 1e-320 s": ({"budget": {"total_micros": 5, "flight_seconds": 1e-320}}, 201),
    "a time zone that is none": ({"budget": {"total_micros": 5, "timezone": "Mars/Olympus"}}, 422),
    "a time zone that leads elsewhere": ({"budget": {"total_micros": 5, "timezone": "../../etc/passwd"}}, 422),
    "an hour beyond the week": ({"targeting": {"hours": [168]}}, 422),
    "a cap without impressions": ({"frequency": {"count": 0, "seconds": 60}}, 422),
}
_IDS = {
    "x\n": 422,
    "\nx": 422,
    "x\r\n": 422,
    "x\u2028": 422,
    ".": 422,
    "..": 422,
    "a/b": 422,
    "a b": 422,
    "": 422,
    "x" * 65: 422,
    "%2e%2e": 422,
    "x\x00": 422,
}
_LANDINGS = [
    "https://a.example/\r\nSet-Cookie: x=1",
    "https://a.example/\n",
    "https://a.example/\x00",
    "https://a.example/\x1b[2J",
    "javascript:alert(1)",
    "//a.example/",
    "https://",
    "",
]
_NAMES = [
    "Sale [/b] 50%",
    "[red]",
    "[link=https://evil.example]x",
    "=1+1",
    "@SUM(A1)",
    "`x`",
    "<script>alert(1)</script>",
]
_HIDDEN = ["\x1b[2J", "\x07", "\u202egnp.exe", "x\x00", "\x9b31m", "\u2066x"]
_TAGS = {"*": 200, '"1"': 200, '"7", "1"': 200, 'W/"1"': 412, '"2"': 412, "1": 400, '"1': 400, 'W/"1", "1"': 200}


class _Shared:
    """A platform shared by all cases that need one, started by the first."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._machine: CommandEnvironment | None = None
        self._client: httpx.Client | None = None

    @property
    def client(self) -> httpx.Client:
        """Client with the administrator's key."""
        if self._client is None:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="raybid-strangers-"))
            here = self._machine = machine(Path(folder))
            done = here.run("up", "--detach", "--samples")
            self._stack.callback(here.run, "down")
            if done.returncode:
                raise OSError(f"no platform to try it on: {done.stderr[-300:]}")
            headers = {"X-API-Key": here.settings.resolve_secret("admin_key")}
            client = calls.client(here.settings.base_url, headers=headers, timeout=30)
            self._client = self._stack.enter_context(client)
        return self._client

    @property
    def here(self) -> CommandEnvironment:
        """Machine whose commands reach it."""
        assert self.client
        assert self._machine is not None
        return self._machine

    def end(self) -> None:
        """Stop it, if it was started."""
        self._stack.close()


SHARED = _Shared()


def cases() -> list[Case]:
    """Return the cases, with those that leave traces last."""
    return [*_sent(), *_printed(), *_versions(), *_others(), *_planted()]


def _sent() -> Iterator[Case]:
    for field in ("starts_at", "ends_at"):
        for moment, status in _MOMENTS.items():
            made = partial(_posted, {"flight": {field: moment}}, status)
            yield Case("moments", f"{field} {moment!r}", made)
    for name, (fields, status) in _NUMBERS.items():
        yield Case("numbers", name, partial(_posted, fields, status))
    for one, status in _IDS.items():
        yield Case("ids", f"a campaign named {one[:8]!r}", partial(_posted, {"id": one}, status))
        yield Case(
            "ids", f"a creative named {one[:8]!r}", partial(_posted, {"creatives": [_CREATIVE | {"id": one}]}, status)
        )
    for url in _LANDINGS:
        changed = {"creatives": [_CREATIVE | {"landing_url": url}]}
        yield Case("landing pages", repr(url), partial(_posted, changed, 422))


def _posted(fields: dict[str, Any], status: int, _: Path) -> str | None:
    """Create a campaign: check the status, and that the next one still works."""
    answer = SHARED.client.post("/campaign/create", json=_campaign(**fields))
    if answer.status_code != status:
        return f"{answer.status_code} instead of {status}: {answer.text[:200]}"
    return _goes_on() if status == 201 else None


def _goes_on() -> str | None:
    """Check that the next campaign works: it bids."""
    deal = f"{_DEAL} {secrets.token_hex(4)}"
    made = _campaign(deals=[{"id": deal, "price_micros": 2_000}])
    if (answer := SHARED.client.post("/campaign/create", json=made)).status_code != 201:
        return f"the next campaign was refused: {answer.text[:200]}"
    return _within(lambda: _bids(deal), "the next campaign does not bid")


def _bids(deal: str) -> dict[str, Any] | None:
    imp = {"id": "1", "banner": {"w": 300, "h": 250}, "pmp": {"private_auction": 1, "deals": [{"id": deal}]}}
    answer = SHARED.client.post("/openrtb2/bid", json={"id": "r", "tmax": 1_000, "imp": [imp]})
    if answer.status_code != 200:
        return None
    found: dict[str, Any] = answer.json()["seatbid"][0]["bid"][0]
    return found


def _within(holds: Callable[[], object], complaint: str) -> str | None:
    deadline = time.monotonic() + _TAKEN_UP_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return complaint
        time.sleep(0.1)
    return None


def _printed() -> Iterator[Case]:
    for name in _NAMES:
        yield Case("texts", f"a campaign called {name!r} in a list", partial(_listed, name))
    for name in _HIDDEN:
        yield Case("texts", f"a campaign called {name!r}", partial(_posted, {"name": name}, 422))


def _listed(name: str, _: Path) -> str | None:
    """Check that every command that lists campaigns works, and shows the name as it is."""
    made = _campaign(name=name)
    if (answer := SHARED.client.post("/campaign/create", json=made)).status_code != 201:
        return f"refused: {answer.text[:200]}"
    for words in (("campaign", "list"), ("campaign", "show", made["id"])):
        done = SHARED.here.run(*words)
        if done.returncode or "Traceback" in done.stderr:
            return f"`raybid {' '.join(words)}` exits with {done.returncode}: {done.stderr[-200:]}"
        if any(not char.isprintable() and char != "\n" for char in done.stdout):
            return "a terminal control sequence is printed"
    return None


def _versions() -> Iterator[Case]:
    for tag, status in _TAGS.items():
        yield Case("versions", f"If-Match: {tag}", partial(_matched, tag, status))


def _matched(tag: str, status: int, _: Path) -> str | None:
    made = _campaign()
    SHARED.client.post("/campaign/create", json=made).raise_for_status()
    answer = SHARED.client.patch(f"/campaign/{made['id']}", json={"name": "x"}, headers={"If-Match": tag})
    return None if answer.status_code == status else f"{answer.status_code} instead of {status}: {answer.text[:200]}"


def _others() -> list[Case]:
    return [
        Case("budgets", "one cut below what is promised", _cut),
        Case("guesses", "forty wrong keys, and callers with and without one", _guessed),
        Case("pages", "the documentation asks only for what is there", _documented),
    ]


def _cut(_: Path) -> str | None:
    deal = f"{_DEAL} {secrets.token_hex(4)}"
    made = _campaign(deals=[{"id": deal, "price_micros": 2_000}])
    SHARED.client.post("/campaign/create", json=made).raise_for_status()
    if wrong := _within(lambda: _bids(deal), "it does not bid"):
        return wrong
    promised = sum(_bids(deal) is not None for _ in range(50))
    patch = {"budget": {"total_micros": 1}}
    answer = SHARED.client.patch(f"/campaign/{made['id']}", json=patch, headers={"If-Match": "*"})
    time.sleep(2 * SHARED.here.settings.tick_seconds + 1.0)
    if late := sum(_bids(deal) is not None for _ in range(100)):
        return f"{late} bids after the next pacing table"
    over = answer.json().get("over_budget_micros", 0)
    return None if over >= promised * 1_000 else f"{over} micros are reported as promised over the budget"


def _guessed(_: Path) -> str | None:
    for _number in range(40):
        SHARED.client.get("/stats", headers={"X-API-Key": secrets.token_hex(16)})
    with_key = SHARED.client.get("/campaigns").status_code
    without = calls.get(f"{SHARED.here.settings.base_url}/health", timeout=30).status_code
    return None if (with_key, without) == (200, 200) else f"others are answered {with_key}, without a key {without}"


def _documented(_: Path) -> str | None:
    html = SHARED.client.get("/docs").text
    url = html.partition("url: '")[2].partition("'")[0]
    status = SHARED.client.get(url or "/nowhere").status_code
    return None if status == 200 else f"/docs asks for {url!r}: {status}"


def _planted() -> list[Case]:
    """Return cases with bad records, each of which is removed again."""
    return [
        Case("records", "a campaign written past the API", partial(_planted_row, "campaigns")),
        Case("records", "a portfolio written past the API", partial(_planted_row, "portfolios")),
        Case("records", "a file of events that is none", _planted_events),
    ]


def _planted_row(table: str, _: Path) -> str | None:
    """Break a row, and repair it."""
    name = _made_row(table)
    path = SHARED.here.settings.var_dir / "catalog.sqlite"
    with closing(sqlite3.connect(path, timeout=30)) as catalog:
        (body,) = catalog.execute(f"SELECT body FROM {table} WHERE id = ?", [name]).fetchone()
        _write_row(catalog, table, name, '{"id": 5')
        wrong = _told(name) or _goes_on()
        _write_row(catalog, table, name, body)
    return wrong or _within(lambda: not _left_out(), "the repaired record is still left out")


def _made_row(table: str) -> str:
    made = _campaign()
    SHARED.client.post("/campaign/create", json=made).raise_for_status()
    if table == "campaigns":
        return str(made["id"])
    portfolio = {"id": f"p-{secrets.token_hex(4)}", "members": [{"campaign": made["id"]}]}
    SHARED.client.post("/portfolio/create", json=portfolio).raise_for_status()
    return str(portfolio["id"])


def _write_row(catalog: sqlite3.Connection, table: str, name: str, body: str) -> None:
    with catalog:
        catalog.execute(f"UPDATE {table} SET body = ? WHERE id = ?", [body, name])
        catalog.execute("UPDATE revision SET value = value + 1")


def _left_out() -> list[str]:
    names: list[str] = SHARED.client.get("/health").json()["parts"]["records"]["names"]
    return names


def _told(name: str) -> str | None:
    """Check that health names it, and that `raybid status` exits with 4."""
    if wrong := _within(lambda: any(name in one for one in _left_out()), f"/health does not name {name}"):
        return wrong
    code = SHARED.here.run("status").returncode
    return None if code == 4 else f"`raybid status` exits with {code}"


def _planted_events(_: Path) -> str | None:
    folder = SHARED.here.settings.var_dir / "events"
    if wrong := _within(lambda: next(folder.rglob("*.parquet"), None), "no file of events is written"):
        return wrong
    some = next(folder.rglob("*.parquet"))
    bad = some.with_name(some.name.replace("-", "0-", 1))
    bad.write_bytes(b"PAR1 no table")
    try:
        return _goes_on()
    finally:
        bad.unlink(missing_ok=True)
