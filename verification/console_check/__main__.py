"""Open every tab of the console in Chromium beside a platform under traffic, and compare it with the API.

How to run:

    make console-check
    python -m verification.console_check --seconds 90 --out var/console-check

What to expect: about seven minutes on two cores. It starts a platform in a temporary folder, with trained models, a
portfolio, an experiment, and exchanges that send requests and notices; then opens each tab in a desktop and a phone
window, light and dark, with a screenshot of each in `--out`. A campaign is paused through the page, and must stop
bidding; a model is rolled back and one published through it, and each must serve; then the exchanges stop, and the
figures on the pages must equal those of the API. The last line is one JSON object. Exit code 1 if a page shows an error
or an empty chart, a figure differs, bidding goes on, or a model does not serve.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer
from rich.console import Console

from raybid.local import LaunchError
from raybid.refusing import refuse
from rtb.runtime import processes
from rtb.runtime.terminal import plain
from verification.browsing import BrowserMissing
from verification.console_check.examination import Examination
from verification.console_check.stage import CheckStage


@processes.ended_by_signals()
def main(
    seconds: Annotated[float, typer.Option(min=10, help="seconds of traffic before the first look")] = 60.0,
    rate: Annotated[float, typer.Option(min=1, help="requests per second of each of two exchanges")] = 25.0,
    out: Annotated[Path, typer.Option(help="folder for the screenshots")] = Path("var/console-check"),
) -> None:
    """Start everything, look, compare, stop everything."""
    console = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="raybid-console-"))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with CheckStage(folder, rate, lambda text: console.print(plain(text, "dim"))) as stage:
            stage.warm_up(seconds, console)
            found = Examination(stage, out, console).run()
    except (LaunchError, BrowserMissing, httpx.HTTPError, OSError) as error:
        refuse("console-check", f"{error} (logs: {folder})")
    for text in found.complaints:
        console.print(plain(text), style="red", soft_wrap=True)
    typer.echo(msgspec.json.encode(found.summary()).decode())
    if found.complaints:
        refuse("console-check", f"the console failed the check, see above (logs: {folder}; screenshots: {out})")
    shutil.rmtree(folder)


if __name__ == "__main__":
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    typer.run(main)
