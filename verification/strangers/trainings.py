"""Trainings on useless data: they must be refused, and leave nothing where models are served from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from pipelines import publish, retrain, train_ctr, train_policy
from pipelines.ctr_training.fitting import FitOptions
from pipelines.ctr_training.sources import ClickSource, progress_bars
from rtb.models import ctr
from rtb.models.artefacts import META, read_meta
from verification.strangers import auction_logs
from verification.strangers.case import Case
from verification.strangers.in_process import Ran

_NAMES = ["click", "weekday", "hour", "slotwidth", "slotheight", "creative", "advertiser", "city", "slotprice"]
_COUNT = 2_000
_RATES = (0.02, 0.05, 0.3)  # by floor

Click = Callable[[int, float], int]
"""A function that tells whether a row is clicked, by its number and its floor's probability."""


def cases() -> list[Case]:
    """Return the cases."""
    clicks: dict[str, tuple[Click, str]] = {
        "no click": (lambda n, chance: 0, "0 clicks on the first 1600"),
        "clicks alone": (lambda n, chance: 1, "1600 clicks on the first 1600"),
        "one click": (lambda n, chance: int(n == 5), "1 clicks on the first 1600"),
        "all but one clicked": (lambda n, chance: int(n != 5), "1599 clicks on the first 1600"),
        "clicks at the end alone": (lambda n, chance: int(n > 1_700), "0 clicks on the first 1600"),
        "clicks at the beginning alone": (lambda n, chance: int(n < 400), "0 clicks on the next 200"),
        "no click to take figures on": (lambda n, chance: int(n < 1_800 and n % 9 == 0), "0 clicks on the last 200"),
    }
    return [
        *(Case("ctr, one class", name, partial(_ctr, click, told)) for name, (click, told) in clicks.items()),
        Case("ctr, nothing", "a table without a row", partial(_ctr_of, _table(_luck, 0), "no impression")),
        Case("ctr, nothing", "fewer than a hundred rows", partial(_ctr_of, _table(_luck, 50), "at least 100")),
        Case("ctr, nothing", "events of nobody", _no_events),
        Case("ctr, nothing", "no folder of events", _no_folder),
        Case("ctr, constant", "rows that differ in the click alone", partial(_ctr_of, _constant(), "are alike")),
        Case("ctr, one class", "negatives that are not kept", _kept),
        Case("ctr, one class", "a share of negatives that is not a number", partial(_share, "nan")),
        Case("ctr, served", "a first model is written", _first),
        Case("ctr, served", "too few clicks", partial(_ctr_of, _table(_luck, 300), "cannot distinguish models")),
        Case("ctr, served", "a model of noise leaves the better one", _noise),
        Case("ctr, served", "the same table again", _again),
        Case("ctr, served", "among the published ones", _among_published),
        Case("retrain", "no events", partial(_retrain, "candidate", "no folder")),
        Case("retrain", "into the folder that is served", partial(_retrain, "models/ctr", "is served from")),
        Case("retrain", "among the published ones", partial(_retrain, "published/ctr/x", "published models")),
        Case("policy", "no logs", partial(_policy, None, "no <campaign>.episodes.txt")),
        Case("policy", "all auctions alike", partial(_policy, ["0 50 0.01"] * 40, "the same in all auctions")),
        Case("policy", "nothing worth a bid", partial(_policy, [f"0 {n} 0" for n in range(40)], "pctr is 0")),
        Case("policy", "prices in micros", partial(_policy, ["0 50000000 0.01"] * 40, "prices are CPM in fen")),
        Case("policy", "one episode alone", partial(_policy, auction_logs.rows(10), "fewer than two episodes")),
        Case("policy", "among the published ones", _policy_among_published),
        Case("publish", "a model that was trained on clicks alone", _publish_one_class),
    ]  # fmt: skip


def _table(click: Click, count: int = _COUNT, seed: int = 1, *, cities: int = 30) -> bytes:
    rng = np.random.default_rng(seed)
    lines = ["\t".join(_NAMES)]
    for number in range(count):
        floor = int(rng.integers(3))
        cells = (click(number, _RATES[floor] - rng.random()), 2, rng.integers(24), 320, 50, 11908, 2997)
        lines.append("\t".join(map(str, (*cells, rng.integers(cities), 20 * floor))))
    return ("\n".join(lines) + "\n").encode()


def _luck(number: int, chance: float) -> int:
    return int(chance > 0)


def _against(number: int, chance: float) -> int:
    return number % 4 == 0


def _constant() -> bytes:
    row = "2\t13\t320\t50\t11908\t2997\t7\t5"
    return "\n".join(["\t".join(_NAMES), *(f"{int(n % 5 == 0)}\t{row}" for n in range(_COUNT))]).encode()


def _ctr(click: Click, told: str, folder: Path) -> str | None:
    return _ctr_of(_table(click), told, folder)


def _ctr_of(content: bytes, told: str, folder: Path) -> str | None:
    return _train(content, folder).refused("train_ctr: ", told) or _nothing_in(folder / "var")


def _train(content: bytes, folder: Path, *arguments: object) -> Ran:
    """Train in the folder that models are served from."""
    (folder / "table.tsv").write_bytes(content)
    return Ran(train_ctr.main, "--data", folder / "table.tsv", *arguments, var_dir=folder / "var")


def _nothing_in(var_dir: Path) -> str | None:
    written = [str(path) for path in var_dir.rglob(META)]
    return f"it wrote {', '.join(written)}" if written else None


def _served(folder: Path) -> str:
    return read_meta(folder / "var" / "models" / "ctr").version


def _no_events(folder: Path) -> str | None:
    (folder / "events").mkdir()
    ran = Ran(train_ctr.main, "--events", folder / "events", var_dir=folder / "var")
    return ran.refused("train_ctr: ", "no impressions in the events") or _nothing_in(folder / "var")


def _no_folder(folder: Path) -> str | None:
    ran = Ran(train_ctr.main, "--events", folder / "events", var_dir=folder / "var")
    return ran.refused("train_ctr: ", "no folder") or _nothing_in(folder / "var")


def _kept(folder: Path) -> str | None:
    ran = _train(_table(_luck), folder, "--keep-negatives", 0.001)
    return ran.refused("--keep-negatives 0.001 leaves 1 ") or _nothing_in(folder / "var")


def _share(share: str, folder: Path) -> str | None:
    return _train(_table(_luck), folder, "--keep-negatives", share).refused("keep-negatives") or _nothing_in(folder)


def _first(folder: Path) -> str | None:
    ran = _train(_table(_luck), folder)
    return ran.told(impressions=_COUNT, version=_served(folder) if ran.code == 0 else "")


def _noise(folder: Path) -> str | None:
    if wrong := _train(_table(_luck, 4_000), folder).taken():
        return wrong
    before = _served(folder)
    noise = _table(_against, 3_600).splitlines()[1:] + _table(_luck, 400, 3).splitlines()[1:]
    content = b"\n".join([b"\t".join(map(str.encode, _NAMES)), *noise])
    wrong = _train(content, folder).refused("train_ctr: ", f"worse than {before} on the last 400 impressions", "--out")
    return wrong or (None if _served(folder) == before else "another model serves")


def _again(folder: Path) -> str | None:
    content = _table(_luck)
    return _train(content, folder).taken() or _train(content, folder, "--seed", 2).taken()


def _among_published(folder: Path) -> str | None:
    place = folder / "var" / "published" / "ctr" / "versions" / "x"
    ran = _train(_table(_luck), folder, "--out", place)
    return ran.refused("only `publish` may write") or _nothing_in(folder / "var")


def _retrain(out: str, told: str, folder: Path) -> str | None:
    ran = Ran(retrain.main, "--events", folder / "events", "--out", folder / "var" / out, var_dir=folder / "var")
    return ran.refused("retrain: ", told) or _nothing_in(folder / "var")


def _policy(rows: list[str] | None, told: str, folder: Path) -> str | None:
    (folder / "logs").mkdir()
    if rows is not None:
        auction_logs.write(folder / "logs", rows)
    ran = Ran(train_policy.train, "--data", folder / "logs", var_dir=folder / "var")
    return ran.refused("train_policy: ", told) or _nothing_in(folder / "var")


def _policy_among_published(folder: Path) -> str | None:
    ran = Ran(train_policy.train, "--out", folder / "var" / "published", var_dir=folder / "var")
    return ran.refused("train_policy: ", "only `publish` may write") or _nothing_in(folder / "var")


def _publish_one_class(folder: Path) -> str | None:
    """Train on both classes, then raise the model's rate as if it had seen only clicks."""
    (folder / "table.tsv").write_bytes(_table(_luck, 500))
    with progress_bars() as progress:
        rows = ClickSource("table", folder / "table.tsv").read(progress)
    trained = train_ctr.train(rows, FitOptions(), "platt")
    trained.network.bias.data[0] += 20.0
    ctr.save(folder / "sure", trained.network, metrics={}, trained_on="clicks alone")
    ran = Ran(publish.main, folder / "sure", "--kind", "ctr", "--impressions", 8_000, var_dir=folder / "var")
    if wrong := ran.refused("publish: ", "worse than untrained"):
        return wrong
    published = list((folder / "var" / "published").glob("ctr/versions/*"))
    return f"it published {published}" if published else None
