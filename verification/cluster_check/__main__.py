"""A head and three hosts on one machine, set up by the docs' own commands, and every fault that hosts have.

    make cluster-check        # twelve minutes at most; needs root

Each host has its own network, processes, mounts, `/tmp`, `/dev/shm` and `var`; Redis, PostgreSQL and an S3 server have
hosts of their own. The head has no replicas. An exchange trades with each host's ingress as a balancer would let it:
not while the host is gone. Notices go through nginx to any host that answers.

The last line is one JSON object: by fault, how many requests failed, the longest time in which a host that was spared
did not bid, and after how long the full rate was back; then what the books say. Exit code 1 if a bound is exceeded.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer
import uvloop
from redis.exceptions import RedisError
from rich.console import Console

from raybid.local import LaunchError
from raybid.local.environment import ROOT
from raybid.local.nginx import binary, nginx
from raybid.local.ports import free_port
from raybid.refusing import refuse
from rtb.runtime import processes
from rtb.runtime.terminal import plain
from simulation import reference
from simulation.exchange import ReplayOptions, Unreachable
from verification.cluster_check import looks, stores, training
from verification.cluster_check.report import ClusterReport, Outcome, reserved_left
from verification.cluster_check.site import HOSTS, Site
from verification.cluster_check.strikes import Strikes
from verification.cluster_check.traffic import Traffic
from verification.faults.books import compare, pause_all, read_balances
from verification.faults.nodes import can_make, network

_NOTICE_TTL = 12.0
_LEASE_SECONDS = 3.0
_QUIET_SECONDS = 10.0
_RATE = 10.0
"""Requests a second and host: two cores hold four hosts, and what they do besides is what is measured."""

_CONNECTIONS = 4
_PATIENT_RETRIES = 8
_TIMES = ("", "_APP", "_NATIVE", "_INTERSTITIAL")


@processes.ended_by_signals()
def main(
    fault: Annotated[
        list[str] | None, typer.Option(help="only this fault, and neither training nor publishing; repeatable")
    ] = None,
) -> None:
    """Set up, look, trade under faults, compare."""
    console = Console(stderr=True, highlight=False)
    if reason := can_make():
        refuse("cluster-check", reason)
    if missing := [*stores.missing(), *([] if binary() else ["nginx-light"])]:
        refuse("cluster-check", f"missing: {', '.join(missing)}: `make system` installs them")
    folder = Path(tempfile.mkdtemp(prefix="raybid-cluster-", dir="/var/tmp"))  # hosts have a /tmp of their own
    folder.chmod(0o711)  # PostgreSQL runs as another user
    try:
        report = _checked(folder, fault or (), console)
    except (LaunchError, Unreachable, RedisError, httpx.HTTPError, OSError) as error:
        refuse("cluster-check", f"{error} (logs: {folder})")
    typer.echo(msgspec.json.encode(report.summary()).decode())
    if wrong := report.wrong():
        refuse("cluster-check", f"{'; '.join(wrong)} (logs: {folder})")
    shutil.rmtree(folder)


def _checked(folder: Path, faults: Collection[str], console: Console) -> ClusterReport:
    def say(text: str) -> None:
        console.print(plain(text, "dim"))

    with ExitStack() as stack:
        net = stack.enter_context(network())
        addresses = [f"{net.address(host)}:8000" for host in HOSTS]
        proxy = stack.enter_context(nginx(folder / "nginx", free_port(), addresses, net.gateway))
        site = Site(net, folder, proxy.url, _settings(), say)
        site.start(stack)
        site.register()
        key = site.exchange_key()
        report = ClusterReport(hosts=1 + len(HOSTS), connections=_CONNECTIONS * len(HOSTS), is_whole=not faults)
        say("bids, keys, notices and figures by each host")
        report.faults += looks.look(site, key)
        if report.is_whole:
            say("a policy published on a host without the Controller")
            report.published_from_elsewhere = looks.published_from_elsewhere(site, str(ROOT / "models" / "ppo"))
            say("a training across hosts")
            report.runners_on_hosts = training.runners_on_hosts(site)
        options = {
            host: ReplayOptions(
                url=site.url(host),
                key=key,
                ca=proxy.ca,
                rate=_RATE,
                connections=_CONNECTIONS,
                duration=3_600.0,
                seed=host,
                retries=_PATIENT_RETRIES,
                drain_seconds=2 * _NOTICE_TTL,
            )
            for host in HOSTS
        }
        traffic = Traffic(options, _NOTICE_TTL)
        report.outcomes = uvloop.run(_trade(Strikes(site, traffic, say), traffic, faults))
        _audit(site, traffic, report, console)
    return report


async def _trade(strikes: Strikes, traffic: Traffic, faults: Collection[str]) -> dict[str, Outcome]:
    """Trade under the faults; return what each cost."""
    traffic.start(HOSTS)
    outcomes = await strikes.carry_out(faults)
    await traffic.finish()
    return outcomes


def _audit(site: Site, traffic: Traffic, report: ClusterReport, console: Console) -> None:
    with site.client(HOSTS[0]) as client:
        campaigns = [campaign.id for campaign in reference.campaigns()]
        pause_all(client, campaigns, _NOTICE_TTL + _LEASE_SECONDS + _QUIET_SECONDS, console)
    books = compare(site.settings, traffic.diary.owed, read_balances(site.settings))
    report.books = reserved_left(books)


def _settings() -> dict[str, str]:
    """Return the settings that make money come free soon, beside those of the page."""
    times = {f"RAYBID_NOTICE_TTL{kind}_SECONDS": str(_NOTICE_TTL) for kind in _TIMES}
    return times | {"RAYBID_LEASE_SECONDS": str(_LEASE_SECONDS), "RAYBID_REQUIRE_DURABLE": "true"}


if __name__ == "__main__":
    typer.run(main)
