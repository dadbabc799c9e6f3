"""An explanation of a bid (`GET /explain/{bid_id}`) for people: how its price came about and what else happened."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from rtb.explain.price_steps import price_steps
from rtb.runtime.terminal import plain

Document = dict[str, Any]


def show(told: Document, console: Console) -> None:
    """Print an explanation.

    Args:
        told: explanation as the API returns it.
        console: console to print to.
    """
    console.print(plain(_title(told), "bold"), soft_wrap=True)
    console.print(plain(_offered(told)), soft_wrap=True)
    tables = (_steps(told["price"]), _candidates(told["candidates"]), _dropped(told["dropped"]))
    for table in tables:
        console.print(table)
    console.print(plain(_made_by(told)), soft_wrap=True)
    console.print(plain(_outcome(told["outcome"])), soft_wrap=True)


def fault(told: Document) -> str | None:
    """Say what is wrong when the recomputed price differs; else return None."""
    if told["equal"] is True:
        return None
    return (
        f"{told['bid_id']} was bid at {told['price_micros']} micros but recomputes to {told['recomputed_micros']}: it "
        "was priced by other code, or on a processor that rounds differently"
    )


def _title(told: Document) -> str:
    again = "recomputed to the same micro" if told["equal"] else f"recomputes to {told['recomputed_micros']} micros"
    sent = told["price"]["sent"]
    return (
        f"{told['bid_id']}: {told['campaign']}/{told['creative']} bid {told['price_micros']} micros "
        f"({sent['cpm']} {sent['currency']} CPM) at {told['at']}; {again}"
    )


def _offered(told: Document) -> str:
    imp, request = told["imp"], told["request"]
    where = ", ".join(str(part) for part in (imp["publisher"], imp["country"], imp["region"]) if part)
    deal = f", deal {imp['deal']}" if imp["deal"] else ""
    return (
        f"offered by {request['exchange']}: {imp['format']} {' '.join(imp['sizes'])}{deal}, {imp['auction']}, "
        f"floor {imp['floor_cpm']} CPM; {where}"
    )


def _steps(price: Document) -> Table:
    table = Table("step", "", "micros", title="how the price was made", title_justify="left")
    table.columns[2].justify = "right"
    for step in price_steps(price):
        table.add_row(plain(step.name), plain(step.how), f"{step.micros:,.1f}".removesuffix(".0"))
    return table


def _candidates(candidates: list[Document]) -> Table:
    table = Table("campaign", "P(click)", "micros", "ended", title="candidates", title_justify="left")
    table.columns[2].justify = "right"
    for one in candidates:
        price = f"{one['price_micros']:,}" if "price_micros" in one else ""
        table.add_row(plain(one["campaign"]), f"{one['pctr']:.6g}", price, plain(one["ended"]))
    return table


def _dropped(dropped: Document) -> Table:
    table = Table("excluded by", "campaigns", title=f"campaigns excluded: {dropped['campaigns']}", title_justify="left")
    table.columns[1].justify = "right"
    for name, count in dropped["by_reason"].items():
        table.add_row(plain(name), str(count))
    return table


def _made_by(told: Document) -> str:
    by = told["made_by"]
    parts = ", ".join(
        f"{name.replace('_', ' ')} {by[name]}" for name in ("ctr_model", "policy", "pacing_table", "catalog")
    )
    return f"made by {parts}; paid from lease {told['lease']['lease']} until {told['lease']['expires_at']}"


def _outcome(outcome: list[Document]) -> str:
    if not outcome:
        return "notices: none yet"
    said = (f"{one['kind']} {one['outcome'] or ''}".strip() + _charged(one["price_micros"]) for one in outcome)
    return f"notices: {', '.join(said)}"


def _charged(micros: int | None) -> str:
    return "" if micros is None else f" ({micros:,} micros)"
