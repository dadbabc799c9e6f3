"""`raybid`: start a platform and end it, bid, look after campaigns, train, compare, publish, explain.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 refused or failed, 2 a command
line or setting that makes no sense, 3 nothing answers, 4 (`status`) records are left out.
"""

from __future__ import annotations

import sys

import typer

from raybid.cli import bids, campaigns, platform, users
from raybid.cli.verbs import Front, Trainings

app = typer.Typer(
    cls=Front, no_args_is_help=True, pretty_exceptions_enable=False, help="A self-hosted real-time bidder."
)
app.command()(platform.up)
app.command()(platform.down)
app.command()(platform.status)
app.command()(platform.token)
app.command()(bids.bid)
app.command()(bids.explain)
app.command()(users.forget)
app.add_typer(campaigns.app, name="campaign")
app.add_typer(typer.Typer(cls=Trainings, no_args_is_help=True, help="Train a model."), name="train")


def run() -> None:
    """The program."""
    try:
        app(prog_name="raybid")
    except BrokenPipeError:  # whoever read the output has enough
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    run()
