"""Prebid Servers in Go and Java, simulated against a live platform: is each ad that they show paid once, to the micro?

How to run:

    python -m verification.prebid_server

What to expect: over 160 auctions by three ways of being called, in four formats, dollars and euros, under price
adjustments of 0.5 to 1.4. Each address is called several times, also with a price that a page made up, and eight
banners are shown a second after their `exp`. The last line is one JSON object; exit code 1 unless `auctions`, `shown`
and `charged_once` are equal, and `mistyped` and `differs_micros` are 0.

If no platform runs at the URL, one is started for the run in a temporary folder (ports as in the settings). On an
existing platform nobody else must spend meanwhile, and its rates are to be those of `simulation.exchange.generous`.
"""

from __future__ import annotations

from typing import Annotated

import httpx
import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from raybid.local import LaunchError
from raybid.refusing import refuse
from rtb import exchanges
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation.exchange.generous import RATES
from verification.given_platform import bidding, platform_at, with_rates
from verification.prebid_server.auctions import auctions_of, campaigns
from verification.prebid_server.trial import Trial, paths_with

_SECONDS = 30.0


@processes.ended_by_signals()
def main(
    url: Annotated[str, typer.Option(help="Base URL of a platform; default: as in the settings")] = "",
    late: Annotated[int, typer.Option(min=0, max=64, help="Banners that are shown after their exp")] = 8,
) -> None:
    """Ask, show, call, count."""
    console = Console(stderr=True, highlight=False)
    settings = Settings()
    base = url or settings.base_url
    held = auctions_of(late=late)
    try:
        with (
            platform_at(base, settings, lambda text: console.print(plain(text, "dim")), with_rates) as found,
            bidding(base, found, campaigns()),
            calls.client(base, timeout=_SECONDS) as client,
            calls.client(base, headers=found.key_headers("admin_key"), timeout=_SECONDS) as admin,
            Progress(console=console, transient=True) as progress,
        ):
            task = progress.add_task("auctions", total=len(held))
            paths = paths_with(found.resolve_secret("exchange_key"), exchanges.load(found.exchanges_dir))
            trial = Trial(client, paths, lambda: spent_by(admin), RATES)
            outcome = trial.run(held, lambda: progress.advance(task))
    except (LaunchError, httpx.HTTPError, OSError) as error:
        refuse("prebid_server", error)
    for message in outcome.messages:
        console.print(plain(message), style="red", soft_wrap=True)
    typer.echo(msgspec.json.encode(outcome.summary()).decode())
    if not outcome.is_good:
        raise typer.Exit(1)


def spent_by(admin: httpx.Client) -> int:
    """Return the micros that all campaigns have spent."""
    return int(admin.get("/stats").raise_for_status().json()["ledger"]["spent_micros"])


if __name__ == "__main__":
    typer.run(main)
