"""Notice tokens: forged, changed, of another kind, replayed, read."""

from __future__ import annotations

import base64
import random
import re
from functools import partial
from itertools import permutations

from rtb.settlement.notice_tokens import Kind
from verification.attacks.case import Attacks, Finding
from verification.attacks.flood import statuses_of
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_CLICK = re.compile(r"https?://[^\"'\\ ]+/notice/click/[A-Za-z0-9_-]+")
_SEED = 17
_NAMES = {Kind.WIN: "nurl", Kind.BILL: "burl", Kind.LOSS: "lurl"}


def urls(bid: dict[str, str]) -> dict[Kind, str]:
    """Return the notice URLs that a bid has, by kind."""
    found = {kind: bid[name] for kind, name in _NAMES.items() if name in bid}
    click = _CLICK.search(bid.get("adm", ""))
    return found | ({Kind.CLICK: click.group()} if click else {})


def token(url: str) -> str:
    """Return the token in a notice URL."""
    return url.split("/notice/", 1)[1].split("/", 1)[1].split("?", 1)[0]


def _sent(target: AttackedPlatform, kind: Kind, text: str) -> int:
    return target.call("GET", f"/notice/{kind}/{text}", params={"price": "1"}).status_code


def _swapped(made_for: Kind, used_as: Kind, target: AttackedPlatform) -> str:
    bid = target.bid("forged")
    before = target.figures("forged")
    status = _sent(target, used_as, token(urls(bid)[made_for]))
    after = target.figures("forged")
    changed = [
        name for name in ("spent_micros", "clicks", "wins", "bills", "conversions") if before[name] != after[name]
    ]
    target.notice(bid["lurl"])
    return f"{status}, changed: {changed}" if status < 400 or changed else ""


for _made_for, _used_as in permutations((Kind.WIN, Kind.BILL, Kind.LOSS, Kind.CLICK), 2):
    attacks.add(Finding.TOKENS, f"a {_made_for} token used as {_used_as}", partial(_swapped, _made_for, _used_as))
for _made_for in (Kind.BILL, Kind.CLICK):
    attacks.add(
        Finding.TOKENS, f"a {_made_for} token used as conversion", partial(_swapped, _made_for, Kind.CONVERSION)
    )


def _flipped(kind: Kind, target: AttackedPlatform) -> str:
    """Change each character in turn, in a token of this kind."""
    bid = target.bid("forged")
    text = token(urls(bid)[kind])
    changed = [
        text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        for place in range(len(text) - 1)  # some bits of the last one have no meaning
    ]
    notices = f"{target.settings.base_url}/notice/{kind}"
    told = statuses_of([("GET", f"{notices}/{one}?price=1", "", b"") for one in changed])
    target.notice(bid["lurl"])
    return "" if all(400 <= status < 500 for status in told) else f"answers {dict(told)}"


for _kind in (Kind.WIN, Kind.BILL, Kind.LOSS, Kind.CLICK):
    attacks.add(Finding.TOKENS, f"each character of a {_kind} token changed", partial(_flipped, _kind))


@attacks(Finding.TOKENS, "tokens cut, lengthened, repeated and made up")
def made_up(target: AttackedPlatform) -> str:
    """Check that none of them is believed."""
    text, luck = token(target.bid("forged")["burl"]), random.Random(_SEED)
    forged = [
        *(text[:size] for size in range(0, len(text) - 1, 7)),
        *(text + more for more in ("A", "AAAA", "=", "==", "%3D", text)),
        text.swapcase(),
        text[::-1],
        "A" * 4_000,
        *(base64.urlsafe_b64encode(luck.randbytes(len(text) * 3 // 4)).decode() for _ in range(50)),
    ]
    statuses = {one: _sent(target, Kind.BILL, one) for one in forged if one != text}
    return ", ".join(f"{one[:20]}...: {status}" for one, status in statuses.items() if status < 400 or status >= 500)


@attacks(Finding.TOKENS, "odd characters for a token")
def odd_characters(target: AttackedPlatform) -> str:
    """Check that they get a 4xx, as every forgery."""
    odd = ("%00", "%ff%fe", "..%2f..%2f", "%0d%0aX: y", "%F0%9F%98%80", "a%20b", "*", "'; DROP TABLE", "{{7*7}}", "%25")
    statuses = {one: _sent(target, Kind.BILL, one) for one in odd}
    return ", ".join(f"{one}: {status}" for one, status in statuses.items() if not 400 <= status < 500)


@attacks(Finding.TOKENS, "a bill sent fifty times")
def replayed(target: AttackedPlatform) -> str:
    """Check that a bid is charged once."""
    bid, before = target.bid("forged"), target.spent("forged")
    for _ in range(50):
        target.notice(bid["burl"], bid["price"])
    spent, most = target.spent("forged") - before, round(bid["price"] * 1_000)
    return f"{spent} micros spent for a bid of {most}" if spent > most else ""


@attacks(Finding.TOKENS, "a bill with another bid's identity glued to it")
def glued(target: AttackedPlatform) -> str:
    """Check that halves of two valid tokens do not form one."""
    one, other = token(target.bid("forged")["burl"]), token(target.bid("forged")["burl"])
    halves = {one[:cut] + other[cut:] for cut in range(4, len(one), 4)} - {one, other}  # they may begin alike
    good = [half for half in halves if _sent(target, Kind.BILL, half) < 400]
    return f"{len(good)} of {len(halves)} were believed" if good else ""


@attacks(Finding.TOKENS, "what a bid is, read from its click token")
def read_click(target: AttackedPlatform) -> str:
    """Check that a viewer of the ad cannot read the ceiling, the user and the campaign in it."""
    bid = target.bid("forged", user={"id": "reader-1"})
    text = token(urls(bid)[Kind.CLICK])
    blob = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    ceiling = round(bid["price"] * 1_000)
    lease = int(bid["id"].split("-")[0], 16)
    known = {"the bid's price": ceiling.to_bytes(8, "big"), "the lease": lease.to_bytes(8, "big")}
    known |= {f"{name}, little-endian": value[::-1] for name, value in known.items()}
    return ", ".join(name for name, value in known.items() if value in blob or value.strip(b"\0") in blob)


@attacks(Finding.TOKENS, "two bids' tokens compared")
def compared(target: AttackedPlatform) -> str:
    """Check that equal bids have different tokens, so that nobody can count what a user is shown."""
    texts = [token(target.bid("forged", user={"id": "reader-2"})["burl"]) for _ in range(2)]
    one, other = (base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) for text in texts)
    alike = sum(a == b for a, b in zip(one, other, strict=False))
    return f"{alike} of {len(one)} bytes are alike" if alike > len(one) // 3 else ""


@attacks(Finding.TOKENS, "a bid of a test request, billed")
def test_bid(target: AttackedPlatform) -> str:
    """Check that nothing about a test counts."""
    before = target.figures("forged")
    bid = target.bid("forged", test=1)
    target.notice(bid["burl"], bid["price"])
    target.notice(bid["nurl"], bid["price"])
    after = target.figures("forged")
    return (
        f"{before} -> {after}"
        if before["spent_micros"] != after["spent_micros"] or before["wins"] != after["wins"]
        else ""
    )
