"""Let Prebid.js trade with a platform on a page in Chromium: banner, banner of several sizes, native, video.

How to run:

    python -m verification.prebid_js

What to expect: packages of npm are installed on the first run. If no platform runs at the URL, one is started for the
run in a temporary folder. Prebid.js asks for bids as it asks Prebid Server; each ad must win, be seen on the page, be
billed once and lead to its landing page when it is clicked. The page reaches nothing beyond this machine. The last line
is one JSON object; exit code 1 if anything went otherwise.
"""

from __future__ import annotations

import os
from typing import Annotated

import httpx
import msgspec
import typer
from rich.console import Console

from raybid.local import LaunchError
from raybid.refusing import refuse
from rtb.runtime import processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from verification.chromium import BrowserMissing
from verification.clients.packages import ClientsMissing, packages
from verification.given_platform import platform_at
from verification.prebid_js.trial import hold_trial


@processes.ended_by_signals()
def main(
    url: Annotated[str, typer.Option(help="Base URL of a platform; default: as in the settings")] = "",
) -> None:
    """Trade, look, compare."""
    console = Console(stderr=True, highlight=False)
    settings = Settings()
    base = url or settings.base_url
    try:
        installed = packages()
        with platform_at(base, settings, lambda text: console.print(plain(text, "dim"))) as own:
            found = hold_trial(base, own, installed)
    except (LaunchError, BrowserMissing, ClientsMissing, httpx.HTTPError, OSError) as error:
        refuse("prebid_js", error)
    for text in found.complaints:
        console.print(plain(text), style="red", soft_wrap=True)
    typer.echo(msgspec.json.encode(found.summary()).decode())
    if found.complaints:
        raise typer.Exit(1)


if __name__ == "__main__":
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    typer.run(main)
