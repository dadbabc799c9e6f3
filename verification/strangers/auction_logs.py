"""Logged auctions for `backtest` and other readers: units, formats, and tables that fill the memory."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipelines.backtest import backtest
from verification.strangers.case import Case
from verification.strangers.in_process import Ran

_EPISODE = 10
_FEN = ("prices are CPM in fen", "whole numbers from 0 to 300")

Change = Callable[[str], str]


def cases() -> list[Case]:
    """Return the cases."""
    rows = {
        "a price in micros": ("0 50000000 0.01", ("price is 50000000", *_FEN)),
        "a price in dollars": ("0 0.08 0.01", ("price is 0.08", *_FEN)),
        "a price in yuan": ("0 0.5 0.01", ("price is 0.5", *_FEN)),
        "a price below 0": ("0 -1 0.01", ("price is -1", *_FEN)),
        "a price of 301": ("0 301 0.01", ("price is 301", *_FEN)),
        "an infinite price": ("0 inf 0.01", ("click price pctr",)),
        "a click of 2": ("2 50 0.01", ("click is 2", "neither 0 nor 1")),
        "a click of -1": ("-1 50 0.01", ("click is -1",)),
        "half a click": ("0.5 50 0.01", ("click is 0.5",)),
        "a pctr of 1.01": ("0 50 1.01", ("pctr is 1.01", "a chance from 0 to 1")),
        "a pctr in percent": ("0 50 12", ("pctr is 12", "percent")),
        "a pctr below 0": ("0 50 -0.01", ("pctr is -0.01",)),
        "a pctr that is not a number": ("0 50 nan", ("click price pctr",)),
        "commas": ("0,50,0.01", ("'0,50,0.01'",)),
        "a column too few": ("0 50", ("click price pctr",)),
        "a column more in one row": ("0 50 0.01 5", ("click price pctr",)),
        "names": ("click price pctr", ("click price pctr",)),
    }
    forms: dict[str, Callable[[bytes], bytes]] = {
        "a byte order mark and CRLF": lambda content: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"),
        "gzip within the same name": gzip.compress,
        "blank lines": lambda content: content.replace(b"\n", b"\n\n"),
        "prices as 50.0": lambda content: content.replace(b" 50 ", b" 50.0 "),
    }
    return [
        *(Case("backtest, rows", name, partial(_bad_row, row, told)) for name, (row, told) in rows.items()),
        *(Case("backtest, forms", name, partial(_same, change)) for name, change in forms.items()),
        Case("backtest, rows", "hours in Unix seconds", partial(_hours, "1382421061", "hour is 1382421061")),
        Case("backtest, rows", "hours that fall", partial(_hours, "1", "hour is 1")),
        Case("backtest, forms", "UTF-16", partial(_bad_file, lambda told: told.encode("utf-16"), ("UTF-16",))),
        Case("backtest, forms", "no first line", partial(_bad_file, _without_first, ("first line",))),
        Case(
            "backtest, forms",
            "an episode of a thousand million",
            partial(_bad_file, _long_episode, ("not 1000000000",)),
        ),
        Case("backtest, forms", "episodes of other lengths", partial(_bad_file, _uneven, ("line 12", "9 auctions"))),
        Case("backtest, totals", "a cost in micros", partial(_bad_totals, 50_000_000_000, ("cost_train", *_FEN))),
        Case("backtest, totals", "a cost that was paid", partial(_bad_totals, 50, ("cost_train", *_FEN))),
        Case("backtest, totals", "rows in yuan, totals in fen", _another_unit),
        Case("backtest, totals", "numbers as 5.0", _float_totals),
        Case("backtest, forms", "names that are markup", _named),
        Case("backtest, options", "a value without end", partial(_option, "--value", "inf")),
        Case("backtest, options", "budgets that are not numbers", partial(_option, "--budgets", "nan")),
        Case("backtest, tables", "said before they are made", _said),
        Case("backtest, tables", "too large for the memory", _too_large),
    ]


def write(folder: Path, rows: list[str], episode: int = _EPISODE, price: int = 50) -> Path:
    """Write a campaign's log whose training days had one price, and return the folder."""
    lines = [f"10 {episode}"]
    for start in range(0, len(rows), episode):
        lines += [str(start // episode + 1), *rows[start : start + episode]]
    folder.mkdir(exist_ok=True)
    (folder / "c.episodes.txt").write_text("\n".join(lines) + "\n")
    counts = [0] * 301
    counts[price] = 1_000
    _write_totals(folder, 1_000 * price, counts)
    return folder


def _write_totals(folder: Path, cost: int, counts: list[int]) -> None:
    totals = {"imp_train": 1_000, "clk_train": 10, "cost_train": cost, "price_counter_train": counts}
    (folder / "c.info.json").write_text(json.dumps(totals))


def rows(count: int = 4 * _EPISODE) -> list[str]:
    """Return auctions with prices around 50."""
    return [f"{int(n % 9 == 0)} {[50, 40, 60, 55][n % 4]} {0.005 + 0.001 * (n % 7):g}" for n in range(count)]


def _backtest(folder: Path, *arguments: str) -> Ran:
    default = ("--bidders", "lin,rlb,closed", "--budgets", "1/4", "--workers", "1")
    return Ran(backtest, "--data", folder, "--out", folder / "out", *default, *arguments, var_dir=folder / "var")


def _bad_row(row: str, told: tuple[str, ...], folder: Path) -> str | None:
    given = rows()
    given[_EPISODE + 1] = row  # after two first lines, an episode, its number and a row
    return _backtest(write(folder, given)).refused("backtest: ", "c.episodes.txt, line 15", *told)


def _hours(hour: str, told: str, folder: Path) -> str | None:
    given = [f"{row} 2" for row in rows()]
    given[3] = f"{rows()[3]} {hour}"
    return _backtest(write(folder, given)).refused("c.episodes.txt, line 6", told)


def _same(change: Callable[[bytes], bytes], folder: Path) -> str | None:
    plain, changed = write(folder / "plain", rows()), write(folder / "changed", rows())
    for name in ("c.episodes.txt", "c.info.json"):
        (changed / name).write_bytes(change((plain / name).read_bytes()))
    ran = [_backtest(plain), _backtest(changed)]
    if wrong := ran[0].taken() or ran[1].taken():
        return wrong
    return None if ran[0].out == ran[1].out else f"{ran[1].out[:200]} instead of {ran[0].out[:200]}"


def _bad_file(change: Callable[[str], str | bytes], told: tuple[str, ...], folder: Path) -> str | None:
    path = write(folder, rows()) / "c.episodes.txt"
    changed = change(path.read_text())
    path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    return _backtest(folder).refused("backtest: ", "c.episodes.txt", *told)


def _without_first(content: str) -> str:
    return content.partition("\n")[2].partition("\n")[2]


def _long_episode(content: str) -> str:
    return content.replace(f"10 {_EPISODE}\n", "10 1000000000\n", 1)


def _uneven(content: str) -> str:
    lines = content.splitlines()
    return "\n".join([*lines[:3], *lines[4:]])


def _bad_totals(cost: int, told: tuple[str, ...], folder: Path) -> str | None:
    counts = [0] * 301
    counts[50] = 1_000
    _write_totals(write(folder, rows()), cost, counts)
    return _backtest(folder).refused("backtest: ", "c.info.json", *told)


def _float_totals(folder: Path) -> str | None:
    path = write(folder, rows()) / "c.info.json"
    path.write_text(path.read_text().replace(",", ".0,"))
    return _backtest(folder).taken()


def _named(folder: Path) -> str | None:
    """Try markup in a campaign's name, which comes from its files' names."""
    write(folder, rows())
    for suffix in ("episodes.txt", "info.json"):
        (folder / f"c.{suffix}").rename(folder / f"[b]x[;red] \x1b[2J.{suffix}")
    ran = _backtest(folder)
    if wrong := ran.taken():
        return wrong
    if "\x1b[2J" in "".join(ran.lines):
        return "a terminal control sequence is printed as it is"
    return None if "[b]x[;red]" in ran.said else f"the name is not shown as it is: {ran.said[-400:]!r}"


def _another_unit(folder: Path) -> str | None:
    write(folder, ["0 1 0.01", "1 0 0.02"] * 1_000)
    return _backtest(folder).refused("backtest: ", "c: the rows' prices", *_FEN)


def _option(name: str, value: str, folder: Path) -> str | None:
    return _backtest(write(folder, rows()), "--auction", "first", name, value).refused("backtest: ", name)


def _said(folder: Path) -> str | None:
    ran = _backtest(write(folder, rows(2_000), 1_000), "--bidders", "rlb")
    if wrong := ran.taken():
        return wrong
    told = ("a table of 1,000 auctions by 12,501 levels of money", "301 price levels", "100 MB")
    missing = [words for words in told if words not in ran.said]
    return f"it does not say {missing}: {ran.said[:300]!r}" if missing else None


def _too_large(folder: Path) -> str | None:
    write(folder, ["0 290 0.01", "1 280 0.02"] * 1_000, 1_000, 290)
    ran = _backtest(folder, "--bidders", "ss_mdp", "--budgets", "1")
    return ran.refused("backtest: ", "1,000 auctions by 290,001 levels of money", "smaller --budgets")
