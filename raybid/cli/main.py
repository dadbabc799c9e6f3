"""The command `raybid`: start and stop a platform, bid, manage campaigns, train, compare, publish, explain.

Results go to standard output, everything else to standard error. Exit codes: 0 success, 1 refused or failed, 2 an
invalid command line or setting, 3 no platform answers, 4 (`status`) some records are skipped.
"""

from __future__ import annotations

import sys

import typer

from raybid.cli import bids, campaigns, cluster, platform, users
from raybid.cli.verbs import RootGroup, Trainings

app = typer.Typer(
    cls=RootGroup, no_args_is_help=True, pretty_exceptions_enable=False, help="A self-hosted real-time bidder."
)
app.command()(platform.up)
app.command()(platform.down)
app.command()(platform.status)
app.command()(platform.token)
app.command()(bids.bid)
app.command()(bids.explain)
app.command()(users.forget)
app.add_typer(campaigns.app, name="campaign")
app.add_typer(cluster.app, name="cluster")
app.add_typer(typer.Typer(cls=Trainings, no_args_is_help=True, help="Train a model."), name="train")


def run() -> None:
    """Run the command line."""
    try:
        app(prog_name="raybid")
    except BrokenPipeError:  # the reader closed the pipe, for example `head`
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    run()
