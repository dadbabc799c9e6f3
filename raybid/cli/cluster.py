"""`raybid cluster`: a platform on several hosts, each of which this makes a part of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from raybid.cli.common import fail, page, screen, settings
from raybid.cli.verbs import ClusterVerbs
from raybid.local import LaunchError, nodes
from raybid.local.cluster_file import write_cluster_file
from rtb.runtime.terminal import plain

app = typer.Typer(cls=ClusterVerbs, no_args_is_help=True, help="Run a platform on several hosts.")

Address = Annotated[
    str, typer.Option(envvar="RAYBID_NODE_IP", help="address of this host; default: the one that faces the others")
]
MetricsPort = Annotated[int, typer.Option(envvar="RAYBID_RAY_METRICS_PORT", help="port of this host's metrics")]


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="file to write; one that exists is never overwritten")] = Path(
        "cluster.env"
    ),
    *,
    redis_url: Annotated[str, typer.Option(help="Redis or Valkey of the ledger")] = "",
    database_url: Annotated[str, typer.Option(help="PostgreSQL of the catalog")] = "",
    store: Annotated[str, typer.Option(help="bucket or shared folder of events and models")] = "",
    public_url: Annotated[str, typer.Option(help="base of notice URLs, as exchanges reach the hosts")] = "",
    head: Annotated[str, typer.Option(help="address of the head")] = "",
) -> None:
    """Write the settings that every host has, with fresh secrets."""
    places = {
        "RAYBID_REDIS_URL": redis_url,
        "RAYBID_DATABASE_URL": database_url,
        "RAYBID_STORE": store,
        "RAYBID_PUBLIC_URL": public_url,
        "RAYBID_HEAD": head,
    }
    with _told():
        write_cluster_file(file, places)
    missing = [name for name, value in places.items() if not value]
    todo = f"fill in {', '.join(missing)}, and copy it" if missing else "copy it"
    page().print(plain(f"{file}: {todo} to every host"), soft_wrap=True)


@app.command()
def head(
    *,
    address: Address = "",
    cpus: Annotated[
        float, typer.Option(min=0, envvar="RAYBID_CPUS", help="CPUs for replicas; 0: none run on the head")
    ] = 0.0,
    dashboard_host: Annotated[
        str, typer.Option(envvar="RAYBID_DASHBOARD_HOST", help="address of Ray's dashboard; default: this host's")
    ] = "",
    metrics_port: MetricsPort = 8080,
) -> None:
    """Make this host the head, in the foreground: it coordinates, and carries no replicas unless it is given CPUs."""
    chosen = settings()
    with _told():
        nodes.check_settings(chosen, nodes.node_environment(chosen))
        own = address or nodes.head_side(chosen, os.environ.get("RAYBID_HEAD", ""))
        environment = nodes.node_environment(chosen, own)
        nodes.record(chosen, environment, own)
        options = nodes.NodeOptions(own, cpus, metrics_port)
        nodes.become(nodes.head_command(chosen, options, dashboard_host, environment), environment)


@app.command()
def join(
    head: Annotated[str, typer.Argument(envvar="RAYBID_HEAD", help="the head: HOST or HOST:PORT", metavar="HEAD")],
    *,
    address: Address = "",
    cpus: Annotated[
        float | None, typer.Option(min=0, envvar="RAYBID_CPUS", help="CPUs for replicas; default: all of this host's")
    ] = None,
    metrics_port: MetricsPort = 8080,
    patience: Annotated[float, typer.Option(min=0, help="seconds to wait for the head")] = 60.0,
) -> None:
    """Join this host to a cluster, in the foreground."""
    chosen = settings()
    with _told():
        nodes.check_settings(chosen, nodes.node_environment(chosen))
        place = nodes.head_place(head, chosen.ray_port)
        own = address or nodes.address_towards(place.address, place.port)
        environment = nodes.node_environment(chosen, own, place.address)
        nodes.await_head(place, patience, lambda text: screen().print(plain(text), soft_wrap=True))
        nodes.check_like_head(chosen, environment, place.address)
        options = nodes.NodeOptions(own, cpus, metrics_port)
        nodes.become(nodes.join_command(place, options, environment), environment)


@app.command()
def record(*, address: Address = "") -> None:
    """Record in the store what hosts must have in common with this head; `head` does so itself."""
    chosen = settings()
    with _told():
        environment = nodes.node_environment(chosen)
        nodes.check_settings(chosen, environment)
        own = address or nodes.head_side(chosen, os.environ.get("RAYBID_HEAD", ""))
        nodes.record(chosen, environment, own)


@contextmanager
def _told() -> Iterator[None]:
    """End with one line where a host cannot be what it was asked to be."""
    try:
        yield
    except (LaunchError, OSError, ValueError) as error:
        fail(str(error))
