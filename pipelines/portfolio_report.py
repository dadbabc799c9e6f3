"""Report on the portfolios of a running platform: figures of their campaigns, and which money moved and why.

How to run, beside a running platform:

    python -m pipelines.portfolio_report                  # every portfolio
    python -m pipelines.portfolio_report --id season --out season

What to expect: a table of figures and the last moves of each portfolio. In `--out`, for each: `<id>.csv` and
`<id>.parquet` (figures with credible intervals), `<id>-moves.csv`, and `<id>.html` with plots. The last line is one
JSON object by portfolio.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import pandas as pd
import plotly.graph_objects as go
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from portfolio.metrics import write_csv, write_parquet
from raybid.refusing import refuse
from rtb.runtime import calls
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation.html_page import COLOURS, write_page

_TIMEOUT_S = 15.0
_SHOWN = ("budget_micros", "spend_micros", "impressions", "clicks", "conversions", "ctr", "cpc", "cpa", "roi")
_MOST_MOVES = 10_000
_LAST = 8
"""Number of moves shown in the terminal."""

Shown = dict[str, Any]


def main(
    portfolio: Annotated[str, typer.Option("--id", help="portfolio id; empty: all portfolios")] = "",
    out: Annotated[Path, typer.Option(help="output folder")] = Path("var/portfolio"),
    key: Annotated[str, typer.Option(help="API key that may report; empty: the administrator's", envvar="KEY")] = "",
) -> None:
    """Fetch portfolios, show their figures and write the files."""
    console, settings = Console(stderr=True, highlight=False), Settings()
    summary: dict[str, Shown] = {}
    try:
        out.mkdir(parents=True, exist_ok=True)
        headers = {"X-API-Key": key} if key else settings.key_headers("admin_key")
        with calls.client(settings.base_url, headers=headers, timeout=_TIMEOUT_S) as client:
            names = [portfolio] if portfolio else [one["id"] for one in _read(client, "/portfolio")]
            for name in names:
                shown = _read(client, f"/portfolio/{name}")
                moves = _read(client, f"/portfolio/{name}/history?limit={_MOST_MOVES}")
                _write(out, shown, moves)
                _show(console, shown, moves)
                summary[name] = _summary(shown, moves)
    except httpx.HTTPStatusError as error:
        refuse(
            "portfolio_report",
            f"{error.request.url.path} answers {error.response.status_code}: {_detail(error.response)}",
        )
    except (httpx.HTTPError, OSError) as error:
        refuse("portfolio_report", f"{settings.base_url} does not answer: is the platform up? ({error})")
    if not names:
        console.print("there is no portfolio: POST /portfolio/create makes one")
    elif names:
        console.print(plain(f"files: {out}"))
    typer.echo(msgspec.json.encode(summary).decode())


def _read(client: httpx.Client, path: str) -> Any:
    answer = client.get(path)
    answer.raise_for_status()
    return answer.json()


def _figures(shown: Shown) -> pd.DataFrame:
    """Return a row per campaign, and one for all together."""
    rows = [{"id": name, **figures} for name, figures in shown["campaigns"].items()]
    return pd.DataFrame([*rows, {"id": "portfolio", **shown["figures"]}])


def _write(out: Path, shown: Shown, moves: list[Shown]) -> None:
    name, table = shown["id"], _figures(shown)
    write_csv(out / f"{name}.csv", table)
    write_parquet(out / f"{name}.parquet", table)
    columns = ["at", "source", "target", "micros", "because"]
    write_csv(out / f"{name}-moves.csv", pd.DataFrame(moves, columns=columns))
    plots = [
        ("Budgets and spend, units of currency", _budgets(shown)),
        ("Money moved to each campaign, units of currency", _moved(moves)),
        ("Return on spend with its 95% credible interval", _returns(table)),
    ]
    listed = table[["id", *(column for column in _SHOWN if column in table)]]
    write_page(out / f"{name}.html", f"Portfolio {name}: {shown['strategy']}", listed.to_html(index=False), plots)


def _budgets(shown: Shown) -> go.Figure:
    campaigns = shown["campaigns"]
    plot = go.Figure()
    for label, field, colour in (("budget", "budget_micros", COLOURS[7]), ("spent", "spend_micros", COLOURS[0])):
        plot.add_bar(
            x=list(campaigns), y=[one[field] / 1e6 for one in campaigns.values()], name=label, marker_color=colour
        )
    return plot.update_layout(barmode="group", height=420)


def _moved(moves: list[Shown]) -> go.Figure:
    """Plot the running sums by campaign."""
    sums: dict[str, float] = {}
    lines: dict[str, tuple[list[str], list[float]]] = {}
    for move in moves:
        for name, sign in ((move["source"], -1), (move["target"], 1)):
            sums[name] = sums.get(name, 0.0) + sign * move["micros"] / 1e6
            times, values = lines.setdefault(name, ([], []))
            times.append(move["at"])
            values.append(sums[name])
    plot = go.Figure()
    for number, (name, (times, values)) in enumerate(sorted(lines.items())):
        colour = COLOURS[number % len(COLOURS)]
        plot.add_scatter(x=times, y=values, name=name, mode="lines+markers", line={"shape": "hv", "color": colour})
    return plot.update_layout(height=420)


def _returns(table: pd.DataFrame) -> go.Figure:
    up, down = table["roi_high"] - table["roi"], table["roi"] - table["roi_low"]
    bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down}
    plot = go.Figure(go.Scatter(x=table["id"], y=table["roi"], error_y=bars, mode="markers", marker_color=COLOURS[0]))
    return plot.update_layout(yaxis_title="(value - spend) / spend", height=420)


def _show(console: Console, shown: Shown, moves: list[Shown]) -> None:
    table = Table(
        "campaign", *_SHOWN, "bids at", title=plain(f"portfolio {shown['id']} ({shown['strategy']}, {shown['status']})")
    )
    for name, row in [*shown["campaigns"].items(), ("together", shown["figures"])]:
        table.add_row(plain(name), *(_cell(row.get(field)) for field in _SHOWN), _cell(row.get("multiplier")))
    console.print(table)
    for move in moves[-_LAST:]:
        moved = f" {move['micros']:,} micros from {move['source']} to {move['target']}: {move['because']}"
        console.print(Text.assemble(plain(move["at"][:19], "dim"), plain(moved)), soft_wrap=True)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _summary(shown: Shown, moves: list[Shown]) -> Shown:
    return {
        "strategy": shown["strategy"],
        "total_micros": shown["total_micros"],
        "decisions": shown["decisions"],
        "moves": len(moves),
        "moved_micros": sum(move["micros"] for move in moves),
        **{
            name: shown["figures"].get(name) for name in ("spend_micros", "clicks", "conversions", "roi", "utilisation")
        },
    }


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


if __name__ == "__main__":
    typer.run(main)
