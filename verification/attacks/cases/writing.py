"""Input of administrators' programs: landing URLs, model folders, names in exports."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from rtb.models.artefacts import META
from verification.attacks.case import Attacks, Finding
from verification.attacks.target import AttackedPlatform, campaign

attacks = Attacks()

_LANDINGS = {
    "a line break": "https://shop.example/\r\nX-Evil: 1",
    "a line feed": "https://shop.example/\nSet-Cookie: a=b",
    "a NUL": "https://shop.example/\x00",
    "a NUL in the host": "https://shop\x00.example/",
    "a tabulator": "https://shop.example/\tx",
    "an escape": "https://shop.example/\x1b[31m",
    "a delete": "https://shop.example/\x7f",
    "a line separator": "https://shop.example/\u2028x",
    "a next line": "https://shop.example/\x85x",
    "a script": "javascript:alert(1)",
    "a script in capitals": "JAVASCRIPT:alert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "a file": "file:///etc/passwd",
    "no scheme": "//evil.example/",
    "no host": "https:///path",
    "a blank in front": " https://shop.example/",
    "a quote": 'https://shop.example/" onload="alert(1)',
    "angle brackets": "https://shop.example/<script>",
    "a backslash": "https:\\\\evil.example",
    "user and password": "https://user:password@shop.example/",
}
_ALLOWED = {"user and password", "a quote", "angle brackets", "a blank in front"}
"""Odd URLs that are harmless: they neither end a header nor run."""
_SOON_SECONDS = 3.0


def _landed(name: str, target: AttackedPlatform) -> str:
    """Create a campaign that leads there: it must be refused, or its click must lead to a harmless URL."""
    body = campaign(f"landing-{secrets.token_hex(6)}")
    body["creatives"][0]["landing_url"] = _LANDINGS[name]
    answer = target.call("POST", "/campaign/create", "admin", json=body)
    if answer.status_code == 201:
        target.call("DELETE", f"/campaign/{body['id']}", "admin", headers={"If-Match": answer.headers.get("etag", "")})
    refused = answer.status_code in (400, 422) or (name in _ALLOWED and answer.status_code == 201)
    return "" if refused else f"{answer.status_code} {answer.text[:100]}"


for _name in _LANDINGS:
    attacks.add(Finding.INPUT, f"a landing URL with {_name}", partial(_landed, _name))


def _published(target: AttackedPlatform, folder: str) -> tuple[int, str, float]:
    begin = time.monotonic()
    try:
        answer = target.call("POST", "/models/ctr/publish", "admin", json={"folder": folder}, timeout=_SOON_SECONDS * 2)
    except httpx.TimeoutException:
        return 0, "no answer", time.monotonic() - begin
    detail = answer.text.replace(folder, "FOLDER")
    return answer.status_code, detail, time.monotonic() - begin


@attacks(Finding.PUBLISH, "which files and folders there are, asked by publishing them")
def oracle(target: AttackedPlatform) -> str:
    """Check that paths outside the roots, and those that are not folders, get one answer, existing or not."""
    there = ("/etc", "/etc/passwd", "/root", "/proc/self", str(target.settings.var_dir / "secrets" / "admin_key"))
    ways = ("var/../../../../../../etc", "/etc/../etc", "~", ".", "..", "/", "\x00", "/etc\x00x")
    told = {folder: _published(target, folder) for folder in (*there, *ways)}
    status, detail, _ = _published(target, "/nowhere/at/all")
    found = [f"{folder!r}: {one[0]} {one[1][:80]}" for folder, one in told.items() if one[0] not in (400, 422)]
    unlike = [f"{folder}: {told[folder][1][:100]}" for folder in there if told[folder][:2] != (status, detail)]
    return "; ".join((found + unlike)[:3])


def _pipe(inside: bool, target: AttackedPlatform) -> str:
    """Publish a folder whose description is a pipe without a writer."""
    base = target.settings.var_dir / "models" if inside else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        os.mkfifo(Path(folder) / META)
        status, detail, seconds = _published(target, folder)
    return "" if 400 <= status < 500 and seconds < _SOON_SECONDS else f"{status} after {seconds:.1f} s {detail[:80]}"


attacks.add(Finding.PUBLISH, "a pipe instead of a model, in a folder outside", partial(_pipe, False))
attacks.add(Finding.PUBLISH, "a pipe instead of a model, among the models", partial(_pipe, True))


@attacks(Finding.PUBLISH, "a link among the models that leads outside")
def link(target: AttackedPlatform) -> str:
    """Check that it is judged by where it leads."""
    models = target.settings.var_dir / "models"
    models.mkdir(exist_ok=True)
    name = models / "linked"
    with tempfile.TemporaryDirectory() as outside:
        (Path(outside) / META).write_text('{"kind": "ctr", "secret": "of-another"}')
        name.symlink_to(outside)
        try:
            status, detail, _ = _published(target, str(name))
            nowhere = _published(target, "/nowhere/at/all")
        finally:
            name.unlink()
    same = (status, detail.replace(str(outside), "FOLDER")) == nowhere[:2]
    return "" if same or (400 <= status < 500 and "kind" not in detail) else f"{status} {detail[:120]}"


@attacks(Finding.INPUT, "campaigns that cannot be: each gets a 4xx that names the field")
def impossible_campaigns(target: AttackedPlatform) -> str:
    """Try numbers out of range, names too long, lists too long."""
    changes: list[dict[str, Any]] = [
        {"budget": {"total_micros": -1}},
        {"budget": {"total_micros": 2**63}},
        {"budget": {"total_micros": 1, "flight_seconds": 1e308}},
        {"goal": {"kind": "click", "value_micros": 2**70}},
        {"targeting": {"publishers": ["p" * 10_000]}},
        {"targeting": {"hours": [2**61 - 1] * 2}},
        {"targeting": {"device_types": [(2**61 - 1) * i for i in range(1, 4_000)]}},
        {"name": "n" * 100_000},
        {"adomain": []},
        {"cattax": 2**61 - 1},
        {"creatives": campaign("x")["creatives"] * 2_000},
        {"frequency": {"count": 0, "seconds": 1}},
    ]
    found = []
    for number, change in enumerate(changes):
        answer = target.call("POST", "/campaign/create", "admin", json={**campaign(f"odd-{number}"), **change})
        if not 400 <= answer.status_code < 500:
            found.append(f"{next(iter(change))}: {answer.status_code}")
    return ", ".join(found)
