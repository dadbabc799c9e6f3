"""Calls without a key, with a wrong one, and with one for another scope."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from verification.attacks.case import Attacks, Finding
from verification.attacks.target import AttackedPlatform, campaign

attacks = Attacks()

_BID = {"w": 300, "h": 250, "page": "https://money.example/"}
_PATHS = ("/openrtb2/bid", "/openrtb2/alpha", "/openrtb2/bid/alpha", "/openrtb2/openrtb26", "/openrtb2/prebid_server")
_HEADERS: Mapping[str, Mapping[str, str]] = {
    "no key": {},
    "an empty key": {"X-API-Key": ""},
    "a space for a key": {"X-API-Key": " "},
    "a made-up key": {"X-API-Key": "made-up-" + "0" * 32},
    "a made-up bearer token": {"Authorization": "Bearer made-up-" + "0" * 32},
    "an empty bearer token": {"Authorization": "Bearer "},
    "basic credentials": {"Authorization": "Basic YWRtaW46YWRtaW4="},
    "a key of 7,000 letters": {"X-API-Key": "k" * 7_000},
    "a null for a key": {"X-API-Key": "null"},
}
_OPEN = {"/health", "/health/live", "/health/ready", "/notice/{kind}/{token}", "/openrtb2/bid"}
"""Calls that need no key by design, or are covered by other cases."""

_BIDDING = {"/bid", "/bid/batch", "/auction-result"}


def _told(found: list[str]) -> str:
    return ", ".join(found)


def _bid(path: str, headers: Mapping[str, str], target: AttackedPlatform) -> str:
    status = target.plain("POST", path, headers, json.dumps(target.request("money")).encode())
    return "" if status in (401, 403, 404, 431) else f"{status}"


for _name, _headers in _HEADERS.items():
    attacks.add(Finding.ANONYMOUS, f"a bid with {_name}", partial(_bid, "/openrtb2/alpha", _headers))
for _path in _PATHS:
    attacks.add(Finding.ANONYMOUS, f"a bid at {_path} without a key", partial(_bid, _path, {}))


@attacks(Finding.ANONYMOUS, "a bid with the key in the query instead of a header")
def key_in_query(target: AttackedPlatform) -> str:
    """Check that it is refused: the key would be in every log on the way."""
    path = f"/openrtb2/alpha?X-API-Key={target.keys['alpha']}&key={target.keys['alpha']}"
    answer = target.call("POST", path, json=target.request("money"))
    return "" if answer.status_code in (401, 403) else f"{answer.status_code}"


def _flat(path: str, body: Any, target: AttackedPlatform) -> str:
    answer = target.call("POST", path, json=body)
    return "" if answer.status_code == 401 else f"{answer.status_code} {answer.text[:120]}"


attacks.add(Finding.ANONYMOUS, "POST /bid without a key", partial(_flat, "/bid", _BID))
attacks.add(Finding.ANONYMOUS, "POST /bid/batch without a key", partial(_flat, "/bid/batch", {"bids": [_BID]}))


@attacks(Finding.ANONYMOUS, "another exchange's endpoint with a key that is good elsewhere")
def foreign_endpoint(target: AttackedPlatform) -> str:
    """Check that each exchange's paths accept its own keys only."""
    found = []
    for path in ("/openrtb2/alpha", "/openrtb2/bid/alpha"):
        answer = target.call("POST", path, "beta", json=target.request("money"))
        if answer.status_code not in (401, 403):
            found.append(f"{path}: {answer.status_code}")
    return _told(found)


@attacks(Finding.ANONYMOUS, "a bid with a key that may only read reports")
def bid_by_reporter(target: AttackedPlatform) -> str:
    """Check that its scope does not include bids."""
    answer = target.call("POST", "/openrtb2/bid", "report", json=target.request("money"))
    return "" if answer.status_code in (401, 403) else f"{answer.status_code}"


def _calls(target: AttackedPlatform) -> list[tuple[str, str]]:
    """Return method and path of every call of the API, with parameters filled in."""
    document = target.call("GET", "/openapi.json").json()
    return [
        (method.upper(), path) for path, calls in document["paths"].items() for method in calls if path not in _OPEN
    ]


def _filled(path: str) -> str:
    names = {"{campaign_id}": "money", "{kind}": "ctr", "{bid_id}": "0-0", "{creative_id}": "a"}
    for name, value in names.items():
        path = path.replace(name, value)
    return path.replace("{", "").replace("}", "")


def _made(target: AttackedPlatform, method: str, path: str, key: str) -> str:
    """Make a call that should be refused; its body is empty, so that it changes nothing if it is accepted."""
    status = target.call(method, _filled(path), key, headers={"If-Match": '"0"'}).status_code
    return "" if status in (401, 403) else f"{method} {path}: {status}"


@attacks(Finding.KEYS, "every call of the API without a key")
def all_without_key(target: AttackedPlatform) -> str:
    """Take the calls from the OpenAPI document."""
    calls = _calls(target)
    if len(calls) < 20:
        return f"the document has only {len(calls)} calls"
    return _told([found for method, path in calls if (found := _made(target, method, path, ""))])


@attacks(Finding.KEYS, "every call of the API with a made-up key")
def all_with_wrong_key(target: AttackedPlatform) -> str:
    """Take the calls from the OpenAPI document."""
    found = []
    for method, path in _calls(target):
        answer = target.call(method, _filled(path), headers={"X-API-Key": secrets.token_urlsafe(24)})
        if answer.status_code not in (401, 429):
            found.append(f"{method} {path}: {answer.status_code}")
    return _told(found)


@attacks(Finding.KEYS, "every call but bids with an exchange's key")
def all_by_exchange(target: AttackedPlatform) -> str:
    """Check that an exchange can neither read figures nor change anything."""
    calls = [(method, path) for method, path in _calls(target) if path not in _BIDDING]
    return _told([found for method, path in calls if (found := _made(target, method, path, "alpha"))])


@attacks(Finding.KEYS, "every change with a key that may only read reports")
def changes_by_reporter(target: AttackedPlatform) -> str:
    """Check that a report key changes nothing."""
    calls = [(method, path) for method, path in _calls(target) if method != "GET"]
    return _told([found for method, path in calls if (found := _made(target, method, path, "report"))])


@attacks(Finding.KEYS, "administrators' reads with a key that may only read reports")
def admin_reads_by_reporter(target: AttackedPlatform) -> str:
    """Check that settings, keys, exchanges and the record of models are refused."""
    calls = [(method, path) for method, path in _calls(target) if method == "GET" and path.startswith("/admin")]
    return _told([found for method, path in calls if (found := _made(target, method, path, "report"))])


@attacks(Finding.KEYS, "/stats and /metrics without a key")
def reports_without_key(target: AttackedPlatform) -> str:
    """Check that they are refused: they show money by campaign."""
    found = [f"{path}: {target.call('GET', path).status_code}" for path in ("/stats", "/metrics")]
    return _told([one for one in found if not one.endswith("401")])


@attacks(Finding.KEYS, "secrets in /admin/settings and /admin/keys")
def secrets_shown(target: AttackedPlatform) -> str:
    """Check that not even administrators see them."""
    folder = target.settings.var_dir / "secrets"
    known = {path.name: path.read_text().strip() for path in folder.glob("*") if path.is_file()} | target.keys
    text = target.call("GET", "/admin/settings", "admin").text + target.call("GET", "/admin/keys", "admin").text
    return _told([name for name, value in known.items() if len(value) >= 8 and value in text])


@attacks(Finding.KEYS, "a revoked key")
def revoked(target: AttackedPlatform) -> str:
    """Check that it is refused everywhere within a second."""
    made = target.call("POST", "/admin/keys", "admin", json={"name": "gone", "scopes": ["report"]}).json()
    target.keys["gone"] = made["key"]
    target.call("DELETE", f"/admin/keys/{made['id']}", "admin")
    found = ""
    for _ in range(8):
        status = target.call("GET", "/stats", "gone").status_code
        found = "" if status in (401, 429) else f"{status}"  # an address that guessed keys gets a 429
    del target.keys["gone"]
    return found


@attacks(Finding.KEYS, "another administrator's new key by the same idempotency key")
def repeated_by_another(target: AttackedPlatform) -> str:
    """Check that a stored answer is repeated only to the caller who got it first."""
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    body = {"name": "once", "scopes": ["report"]}
    other = target.call("POST", "/admin/keys", "admin", json={"name": "second", "scopes": ["admin"]}).json()
    first = target.call("POST", "/admin/keys", "admin", json=body, headers=headers).json()
    target.keys["second"] = other["key"]
    again = target.call("POST", "/admin/keys", "second", json=body, headers=headers)
    for key in (other, first, again.json()):
        target.call("DELETE", f"/admin/keys/{key.get('id', '')}", "admin")
    return f"{again.status_code}: the same key" if again.json().get("key") == first["key"] else ""


@attacks(Finding.KEYS, "an idempotency key used again for something else")
def repeated_for_another(target: AttackedPlatform) -> str:
    """Check that an idempotency key stands for one request."""
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    first = target.call("POST", "/admin/keys", "admin", json={"name": "a", "scopes": ["report"]}, headers=headers)
    other = target.call("POST", "/admin/keys", "admin", json={"name": "a", "scopes": ["admin"]}, headers=headers)
    target.call("DELETE", f"/admin/keys/{first.json()['id']}", "admin")
    return "" if other.status_code in (409, 422) else f"{other.status_code} {other.text[:120]}"


@attacks(Finding.KEYS, "cross-origin calls from a page")
def cross_origin(target: AttackedPlatform) -> str:
    """Check that no other page can read what a browser sends a key for."""
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answers = [
        target.call("OPTIONS", "/campaign/create", headers=headers),
        target.call("GET", "/campaigns", "admin", headers=headers),
    ]
    return _told([str(one.status_code) for one in answers if "access-control-allow-origin" in one.headers])


@attacks(Finding.KEYS, "files of the machine through paths of the API")
def paths_upwards(target: AttackedPlatform) -> str:
    """Check that the documentation is served from its folder only."""
    tops = ("/static-offline-docs", "/docs", "", "/campaign")
    ways = ("/../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2f..%2f..%2fetc%2fpasswd")
    answers = {top + way: target.call("GET", top + way, "admin").text for top in tops for way in ways}
    return _told([path for path, text in answers.items() if "root:" in text])


@attacks(Finding.KEYS, "a campaign made by an exchange, under another method or path of the same name")
def made_by_exchange(target: AttackedPlatform) -> str:
    """Try to get around a check by path."""
    ways = (
        ("POST", "/campaign/create/"),
        ("POST", "//campaign/create"),
        ("POST", "/campaign/./create"),
        ("POST", "/openrtb2/../campaign/create"),
        ("POST", "/openrtb2/%2e%2e/campaign/create"),
        ("POST", "/Campaign/Create"),
    )
    headers = {"X-HTTP-Method-Override": "POST", "X-Original-URL": "/campaign/create"}
    for method, path in ways:
        target.call(method, path, "alpha", json=campaign("smuggled"), headers=headers, follow_redirects=True)
    status = target.call("GET", "/campaign/smuggled", "admin").status_code
    return f"the campaign exists: {status}" if status != 404 else ""
