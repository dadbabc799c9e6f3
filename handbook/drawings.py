"""Drawings of `docs/concepts`: boxes and arrows as SVG, from the definitions below.

python -m handbook.drawings        # writes docs/images/*.svg; a test holds that they are current
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import NamedTuple

IMAGES = Path(__file__).parents[1] / "docs" / "images"

_STYLE = """
  .box { fill: #eef2ff; stroke: #4051b5; stroke-width: 1.5 }
  .store { fill: #fff7e6; stroke: #b26a00; stroke-width: 1.5 }
  .outside { fill: #f3f4f6; stroke: #6b7280; stroke-width: 1.5; stroke-dasharray: 5 3 }
  .arrow { stroke: #374151; stroke-width: 1.5; fill: none; marker-end: url(#head) }
  .tip { fill: #374151 }
  text { font-family: system-ui, sans-serif; fill: #111827; text-anchor: middle }
  .name { font-size: 15px; font-weight: 600 }
  .more { font-size: 12px; fill: #374151 }
  .said { font-size: 12px; fill: #374151; paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
"""


class Box(NamedTuple):
    """A part: its centre and size in pixels, its name and a line or two about it.

    Attributes:
        x: centre.
        y: centre.
        w: width.
        h: height.
        name: name of the part.
        more: lines below the name.
        kind: `box`, `store` for what keeps state, `outside` for what is not ours.
    """

    x: int
    y: int
    w: int
    h: int
    name: str
    more: tuple[str, ...] = ()
    kind: str = "box"


class Arrow(NamedTuple):
    """A line from point to point, with corners between, and a label.

    Attributes:
        points: x and y of each point.
        said: label.
        at: centre of the label.
    """

    points: tuple[tuple[int, int], ...]
    said: str = ""
    at: tuple[int, int] = (0, 0)


class Drawing(NamedTuple):
    """One drawing.

    Attributes:
        width: pixels.
        height: pixels.
        title: description for people who cannot see it.
        boxes: boxes, in any order.
        arrows: arrows, drawn below the boxes.
    """

    width: int
    height: int
    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


REQUEST = Drawing(
    960,
    380,
    "One bid request through HAProxy, Router, CTRModel and RLBidder, and back within tmax",
    (
        Box(80, 60, 130, 60, "Exchange", ("OpenRTB 2.6",), "outside"),
        Box(275, 60, 120, 60, "HAProxy", ("one per node",)),
        Box(480, 60, 230, 90, "Router", ("decode, shed late requests", "targeting, features, micro-batch")),
        Box(820, 60, 190, 76, "CTRModel", ("rows to P(click),", "P(conversion | click)")),
        Box(
            820,
            230,
            190,
            92,
            "RLBidder",
            ("value x pCTR x multiplier", "shading, floor, auction", "reserve from a lease"),
        ),
        Box(480, 230, 230, 76, "Router", ("markup, signed notice URLs", "bid event")),
        Box(480, 340, 230, 50, "Events", ("stream, then Parquet",), "store"),
    ),
    (
        Arrow(((145, 60), (215, 60)), "request", (180, 50)),
        Arrow(((335, 60), (365, 60))),
        Arrow(((595, 60), (725, 60)), "batch of rows", (660, 50)),
        Arrow(((820, 98), (820, 184)), "predictions", (868, 145)),
        Arrow(((725, 230), (595, 230)), "winners", (660, 220)),
        Arrow(((365, 230), (80, 230), (80, 90)), "200 with bids, or 204, within tmax", (220, 220)),
        Arrow(((480, 268), (480, 315))),
    ),
)

MONEY = Drawing(
    960,
    375,
    "Money in the ledger: available, leased, reserved, spent; every step is one script",
    (
        Box(120, 90, 170, 70, "available", ("held by nobody",), "store"),
        Box(380, 90, 170, 70, "leased", ("a replica may bid it",), "store"),
        Box(640, 90, 170, 70, "reserved", ("held by bids",), "store"),
        Box(860, 90, 140, 70, "spent", ("charged, once",), "store"),
        Box(120, 320, 170, 76, "Controller", ("ticks: pacing table,", "ended leases back")),
        Box(380, 320, 190, 76, "RLBidder", ("reserves each bid in", "memory, no round trip")),
        Box(730, 320, 190, 76, "Exchange", ("win, billing and", "loss notices"), "outside"),
    ),
    (
        Arrow(((205, 78), (295, 78)), "lease", (250, 68)),
        Arrow(((295, 104), (205, 104)), "unused, expired", (250, 145)),
        Arrow(((465, 90), (555, 90)), "what was bid", (510, 80)),
        Arrow(((725, 90), (790, 90)), "bill", (757, 80)),
        Arrow(
            ((640, 55), (640, 24), (120, 24), (120, 55)),
            "loss, expiry, and the ceiling less the price",
            (380, 18),
        ),
        Arrow(((120, 282), (120, 125)), "reclaims", (155, 205)),
        Arrow(((380, 282), (380, 125)), "renews before it runs dry", (460, 205)),
        Arrow(((700, 282), (700, 125)), "signed token: lease, ceiling, expiry", (815, 205)),
        Arrow(((475, 320), (635, 320)), "bids", (555, 310)),
    ),
)

LEARNING = Drawing(
    960,
    320,
    "Events become models, a gate compares them, replicas swap them in place",
    (
        Box(120, 50, 190, 76, "Replicas", ("bid with champion models",)),
        Box(400, 50, 190, 76, "Events", ("bids, wins, clicks", "in Parquet by the hour"), "store"),
        Box(740, 50, 220, 76, "Training", ("train ctr, train policy", "at low priority")),
        Box(740, 260, 220, 84, "Gate", ("candidate and champion on", "held-out data; paired bootstrap")),
        Box(400, 260, 190, 76, "Registry", ("versions never change;", "champion and history"), "store"),
        Box(120, 260, 190, 76, "Controller", ("publishes the", "whole artefact")),
    ),
    (
        Arrow(((215, 50), (305, 50)), "a stream", (260, 40)),
        Arrow(((495, 50), (630, 50)), "features as served", (562, 40)),
        Arrow(((740, 88), (740, 218)), "candidate", (785, 155)),
        Arrow(((630, 260), (495, 260)), "not worse", (562, 250)),
        Arrow(((305, 260), (215, 260)), "champion", (260, 250)),
        Arrow(((120, 222), (120, 88)), "swapped between two batches", (225, 155)),
    ),
)

DRAWINGS = {"request": REQUEST, "money": MONEY, "learning": LEARNING}


def svg(drawing: Drawing) -> str:
    """Return a drawing as SVG text."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width} {drawing.height}" role="img">',
        f"<title>{escape(drawing.title)}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="tip" d="M0,0 L8,4 L0,8 z"/></marker></defs>',
        f'<rect width="{drawing.width}" height="{drawing.height}" fill="#ffffff"/>',
        *(_arrow(one) for one in drawing.arrows),
        *(_box(one) for one in drawing.boxes),
        *(_said(one) for one in drawing.arrows if one.said),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _arrow(one: Arrow) -> str:
    points = " ".join(f"{x},{y}" for x, y in one.points)
    return f'<polyline class="arrow" points="{points}"/>'


def _said(one: Arrow) -> str:
    return f'<text class="said" x="{one.at[0]}" y="{one.at[1]}">{escape(one.said)}</text>'


def _box(one: Box) -> str:
    left, top = one.x - one.w // 2, one.y - one.h // 2
    first = one.y - 8 * len(one.more) + 5
    lines = [f'<rect class="{one.kind}" x="{left}" y="{top}" width="{one.w}" height="{one.h}" rx="8"/>']
    lines.append(f'<text class="name" x="{one.x}" y="{first}">{escape(one.name)}</text>')
    for number, text in enumerate(one.more, 1):
        lines.append(f'<text class="more" x="{one.x}" y="{first + 17 * number}">{escape(text)}</text>')
    return "\n".join(lines)


def main() -> None:
    """Write all drawings."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, drawing in DRAWINGS.items():
        (IMAGES / f"{name}.svg").write_text(svg(drawing))


if __name__ == "__main__":
    main()
