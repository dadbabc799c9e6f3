"""Parts of the platform broken on purpose: does it report that, and stay safe?"""

from __future__ import annotations

import re
import shutil
import signal
import time
from typing import Any

import httpx

from verification.attacks.case import Attacks, Finding
from verification.attacks.disk import full
from verification.attacks.not_tried import NotTried
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_BACK_SECONDS = 60.0
_PAUSED_SECONDS = 15.0
_WRITTEN_SECONDS = 8.0
_SPENDING = 20
_TELLING = re.compile(
    r"127\.0\.0\.1|localhost|:\d{4,5}\b|redis|valkey|\.lua|sqlite|Traceback|File \"|Errno|/tmp|script", re.IGNORECASE
)
_CALLS = (
    ("GET", "/health", ""),
    ("GET", "/health/ready", ""),
    ("GET", "/stats", "report"),
    ("GET", "/metrics", "report"),
    ("GET", "/campaigns", "admin"),
    ("GET", "/campaign/money", "admin"),
    ("POST", "/campaign/money/pause", "admin"),
    ("POST", "/campaign/money/resume", "admin"),
    ("GET", "/portfolio", "admin"),
    ("GET", "/models", "admin"),
    ("GET", "/admin/experiment", "admin"),
)


def _await(target: AttackedPlatform, scene: str) -> None:
    """Wait until a scene bids again."""
    deadline = time.monotonic() + _BACK_SECONDS
    while time.monotonic() < deadline:
        try:
            if target.call("POST", "/openrtb2/alpha", "alpha", json=target.request(scene)).status_code == 200:
                return
        except httpx.HTTPError:  # not back yet
            pass
        time.sleep(0.5)
    raise RuntimeError(f"{scene} does not bid again within {_BACK_SECONDS:.0f} s")


@attacks(Finding.LEAKS, "answers while the ledger's server hangs and is killed", disturbs=True)
def leaks(target: AttackedPlatform) -> str:
    """Check that answers show no internal errors, which belong in the log."""
    (server,) = [one for one in target.processes() if "valkey" in one.name() or "redis" in one.name()]
    bid = target.bid("money")
    server.send_signal(signal.SIGKILL)
    told = []
    for _ in range(2):
        told += [(kind, target.notice(bid[kind], bid["price"])) for kind in ("burl", "nurl", "lurl")]
        body = {"notice_url": bid["burl"], "won": True, "price": bid["price"]}
        told.append(("result", target.call("POST", "/auction-result", "alpha", json=body)))
        told += [(path, target.call(method, path, key)) for method, path, key in _CALLS]
    _await(target, "money")
    bad = [(name, answer) for name, answer in told if answer.status_code >= 500]
    leaking = [
        f"{name}: {answer.status_code} {found.group()} in {answer.text[:120]!r}"
        for name, answer in bad
        if (found := _TELLING.search(answer.text))
    ]
    return "; ".join(leaking[:3])


@attacks(Finding.SWITCH, "a campaign that nobody can pause because the disk is full", disturbs=True)
def paused_when_full(target: AttackedPlatform) -> str:
    """Check that the kill switch works when everything else does not."""
    if not target.disk:
        raise NotTried("a small disk needs root")
    target.bid("pause")
    with full(target.settings.var_dir):
        told = target.call("POST", "/campaign/pause/pause", "admin")
        deadline = time.monotonic() + _PAUSED_SECONDS
        status = 200
        while status == 200 and time.monotonic() < deadline:
            time.sleep(0.5)
            status = target.call("POST", "/openrtb2/alpha", "alpha", json=target.request("pause")).status_code
    return f"pausing is answered with {told.status_code}, and it still bids" if status == 200 else ""


def _spend(target: AttackedPlatform) -> list[dict[str, Any]]:
    bids = [target.bid("rollback") for _ in range(_SPENDING)]
    for bid in bids:
        target.notice(bid["burl"], bid["price"])
    return bids


def _rolled_back(target: AttackedPlatform) -> dict[str, Any]:
    """Restore an older ledger under the platform, once; return what was known before and is reported after."""
    if "rollback" in target.notes:
        return dict(target.notes["rollback"])
    folder, older = target.settings.var_dir / "valkey", target.settings.var_dir.parent / "older"
    _spend(target)
    time.sleep(_WRITTEN_SECONDS)  # so that the catalog has the spend
    shutil.copytree(folder, older)
    bids = _spend(target)
    time.sleep(_WRITTEN_SECONDS)
    spent = target.spent("rollback")
    target.stop()
    shutil.rmtree(folder)
    shutil.copytree(older, folder)
    target.start()
    target.notes["rollback"] = {"spent": spent, "bids": bids}
    return dict(target.notes["rollback"])


@attacks(Finding.ROLLBACK, "an older ledger restored: money spent again", disturbs=True)
def spent_again(target: AttackedPlatform) -> str:
    """Check that a campaign whose ledger knows less than the catalog does not bid."""
    _rolled_back(target)
    deadline = time.monotonic() + 10.0
    bidders = []
    while time.monotonic() < deadline:
        answer = target.call("POST", "/openrtb2/alpha", "alpha", json=target.request("rollback"))
        bids = answer.json()["seatbid"][0]["bid"] if answer.status_code == 200 else []
        bidders.append(bids[0]["cid"] if bids else "")  # the samples bid on every page
        time.sleep(0.2)
    return f"{bidders.count('rollback')} bids of {len(bidders)} requests" if "rollback" in bidders else ""


@attacks(Finding.ROLLBACK, "an older ledger restored: nobody is told", disturbs=True)
def untold(target: AttackedPlatform) -> str:
    """Check that `/health` reports it."""
    _rolled_back(target)
    health = target.call("GET", "/health").json()
    return f"/health says {health['status']}" if health["status"] == "ok" else ""


@attacks(Finding.ROLLBACK, "an older ledger restored: bills charged again", disturbs=True)
def charged_again(target: AttackedPlatform) -> str:
    """Check that what was settled and forgotten is not settled again."""
    notes = _rolled_back(target)
    before = target.spent("rollback")
    for bid in notes["bids"]:
        target.notice(bid["burl"], bid["price"])
    after = target.spent("rollback")
    return f"{after - before} micros charged again" if after > before else ""
