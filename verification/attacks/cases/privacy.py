"""Personal data whose use was refused, and the right to erasure."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from verification.attacks.case import Attacks, Finding
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_RECORDED_SECONDS = 3.0
_SIGNALS: dict[str, dict[str, Any]] = {
    "GDPR applies and nobody consented": {"regs": {"gdpr": 1}},
    "GDPR applies, as version 2.5 says it": {"regs": {"ext": {"gdpr": 1}}},
    "GDPR applies and the consent cannot be read": {"regs": {"gdpr": 1}, "user": {"consent": "nonsense"}},
    "COPPA applies": {"regs": {"coppa": 1}},
    "the user opted out of a sale": {"regs": {"us_privacy": "1YYN"}},
    "the device limits tracking": {"device": {"lmt": 1}},
    "the device asks not to be tracked": {"device": {"dnt": 1}},
    "a GPP string applies": {"regs": {"gpp": "DBABMA~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA", "gpp_sid": [2]}},
}


def _person(mark: str) -> dict[str, Any]:
    """Return data that identifies a person, in every field that can have some."""
    return {
        "user": {
            "id": f"{mark}-id",
            "buyeruid": f"{mark}-buyer",
            "yob": 1980,
            "keywords": f"{mark}-keywords",
            "eids": [{"source": "id.example", "uids": [{"id": f"{mark}-eid"}]}],
            "data": [{"segment": [{"id": f"{mark}-segment"}]}],
            "geo": {"city": f"{mark}-town"},
            "ext": {"eids": [{"source": "id.example", "uids": [{"id": f"{mark}-exteid"}]}]},
        },
        "device": {
            "ifa": f"{mark}-ifa",
            "didsha1": f"{mark}-did",
            "macmd5": f"{mark}-mac",
            "ip": "198.51.100.77",
            "ipv6": "2001:db8::77",
            "ua": f"Mozilla/5.0 {mark}-agent",
            "geo": {"lat": 52.516275, "lon": 13.377704, "zip": f"{mark}-zip"},
        },
    }


_RAW = (b"198.51.100.77", b"2001:db8::77", b"52.516275", b"13.377704")


def _request(mark: str, signal: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = _person(mark)
    for name, value in signal.items():
        fields[name] = {**fields.get(name, {}), **value}
    return fields


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _kept(target: AttackedPlatform, needles: Iterable[bytes]) -> list[str]:
    """Return files of the platform that contain one of these texts."""
    wanted = list(needles)
    return [path.name for path in _files(target.settings.var_dir) if any(one in path.read_bytes() for one in wanted)]


def _explained(target: AttackedPlatform, bid_id: str) -> str:
    """Return the record of a bid, unpacked."""
    for _ in range(10):
        answer = target.call("GET", f"/explain/{bid_id}", "admin")
        if answer.status_code != 404:
            break
        time.sleep(0.5)
    if answer.status_code != 200:
        raise RuntimeError(f"the bid is not explained: {answer.status_code} {answer.text[:200]}")
    return answer.text


def _refused(name: str, target: AttackedPlatform) -> str:
    """Bid for a person who refused, and search for them in everything that is stored."""
    mark = f"refused{secrets.token_hex(4)}"
    bid = target.bid("privacy", **_request(mark, _SIGNALS[name]))
    told = _explained(target, bid["id"])
    in_record = [needle for needle in (mark, *(one.decode() for one in _RAW)) if needle in told]
    in_files = _kept(target, [mark.encode()])
    return f"in the record: {in_record}, in files: {in_files}" if in_record or in_files else ""


for _name in _SIGNALS:
    attacks.add(Finding.PRIVACY, f"somebody looked for in what is kept, where {_name}", partial(_refused, _name))


@attacks(Finding.PRIVACY, "addresses, devices and places, where nothing was refused")
def unneeded(target: AttackedPlatform) -> str:
    """Check that data that no decision needs is not stored at all."""
    mark = f"allowed{secrets.token_hex(4)}"
    bid = target.bid("privacy", **_person(mark))
    told = _explained(target, bid["id"])
    unneeded_here = [f"{mark}-{name}" for name in ("ifa", "did", "mac", "eid", "exteid")] + [
        one.decode() for one in _RAW
    ]
    found = [one for one in unneeded_here if one in told]
    return f"in the record: {found}" if found else ""


def _forgotten_by(key: str, target: AttackedPlatform) -> str:
    status = target.call("DELETE", "/users/somebody", key).status_code
    return "" if status in (401, 403) else f"{status}"


for _key in ("", "alpha", "report"):
    attacks.add(Finding.PRIVACY, f"DELETE /users with {_key or 'no'} key", partial(_forgotten_by, _key))


@attacks(Finding.PRIVACY, "somebody who was forgotten, looked for in what is kept")
def forgotten(target: AttackedPlatform) -> str:
    """Check that `DELETE /users/{id}` removes what is stored about a person."""
    mark = f"person{secrets.token_hex(6)}"
    bid = target.bid("privacy", user={"id": mark})
    target.notice(bid["burl"], bid["price"])
    _explained(target, bid["id"])
    answer = target.call("DELETE", f"/users/{mark}", "admin")
    if answer.status_code >= 300:
        return f"DELETE /users/... is answered {answer.status_code}"
    time.sleep(_RECORDED_SECONDS)
    again = target.call("GET", f"/explain/{bid['id']}", "admin").text
    found = _kept(target, [mark.encode()])
    return f"found in {found}" if found else ("in the record" if mark in again else "")


@attacks(Finding.PRIVACY, "odd ids of users to be forgotten")
def odd_users(target: AttackedPlatform) -> str:
    """Check that they get a 2xx or 4xx."""
    odd = ("%00", "%0d%0a", "..%2f..", "u" * 3_000, "%ff", "*", "' OR 1=1 --")
    statuses = {one: target.call("DELETE", f"/users/{one}", "admin").status_code for one in odd}
    return ", ".join(f"{one[:12]}: {status}" for one, status in statuses.items() if status >= 500)
