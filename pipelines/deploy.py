"""Deploy the application to a cluster that runs elsewhere: the checks before and after `serve deploy`.

    raybid cluster deploy HEAD

It waits for the head's dashboard (RAYBID_HEAD or RAYBID_HTTP_HOST, RAYBID_DASHBOARD_PORT) and for hosts that hold
replicas, deploys `serve_config.yaml` spread over them, and finishes when bids are answered. On a running cluster it
updates the application: run it again when a host was added. In `serve_config.yaml` the ingress listens on the loopback
address, which other nodes cannot reach: here it listens on all addresses. The last line is one JSON object.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import msgspec
import typer
import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError

from raybid.local import LaunchError, nodes
from raybid.local.checks import check_keys, check_models
from raybid.local.configuration import set_log_format, spread
from raybid.local.environment import ROOT, dashboard_headers
from raybid.local.models import train_missing
from raybid.local.preparing import faults
from raybid.refusing import refuse
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings

_LOOK_SECONDS = 1.0
_TELL_SECONDS = 10.0  # between two progress lines while waiting
_FAILED_SECONDS = 10.0
"""How long Serve says that a deployment failed until it is believed: just after a new one it may speak of the last."""

_OURS = ("HostsDiffer: ", "OpenPlatform: ")
"""Errors of replicas that refuse to start, which say what to set."""


def main(
    head: Annotated[
        str, typer.Argument(envvar="RAYBID_HEAD", help="the head; default: RAYBID_HTTP_HOST", show_default=False)
    ] = "",
    *,
    config: Annotated[Path, typer.Option(help="configuration to deploy")] = ROOT / "serve_config.yaml",
    listen: Annotated[str, typer.Option(help="address that ingress and replicas listen on, on every node")] = "0.0.0.0",
    hosts: Annotated[
        int, typer.Option(min=0, help="wait for so many hosts that hold replicas; 0: those that are there")
    ] = 0,
    per_host: Annotated[
        int, typer.Option(min=1, help="most replicas of one stage on a host, where there are several")
    ] = 1,
    patience: Annotated[float, typer.Option(min=1, help="seconds to wait for the cluster, then for bids")] = 300.0,
) -> None:
    """Wait for the cluster, deploy, wait until bids are answered."""
    began = time.monotonic()
    try:
        settings = _settings(head)
        environment = nodes.node_environment(settings, settings.http_host)
        _check(settings, environment, listen)
        _await_head(settings, environment, patience)
        cluster = _Cluster(settings, environment)
        _await("the cluster", cluster.applications_url, patience, cluster.headers)
        found = cluster.await_hosts(hosts, patience)
        cluster.deploy(_configured(config, listen, settings, found, per_host), config.name)
        _await("the application", f"{settings.base_url}/health/ready", patience, {}, cluster.failure)
    except ValidationError as error:
        refuse("deploy", faults(error))
    except (LaunchError, SettingsError, OSError) as error:
        refuse("deploy", error)
    seconds = round(time.monotonic() - began, 1)
    told = {"deployed": config.name, "ready": settings.base_url, "hosts": found, "seconds": seconds}
    typer.echo(msgspec.json.encode(told).decode())


def _settings(head: str) -> Settings:
    settings = Settings()
    if not head:
        return settings
    place = nodes.head_place(head, settings.ray_port)
    return settings.model_copy(update={"http_host": place.address})


def _check(settings: Settings, environment: Mapping[str, str], listen: str) -> None:
    """Check keys, settings and models before anything is waited for.

    Raises:
        LaunchError: the platform would not be as it should; the message says what to set.
    """
    check_keys(settings, listen)
    nodes.check_settings(settings, environment)
    if settings.ctr_artefact:  # with a store, models outside it serve only where a folder of all hosts is named
        train_missing(settings, _say)
    check_models(settings)


def _await_head(settings: Settings, environment: Mapping[str, str], seconds: float) -> None:
    """Wait for the head, then check that this host has what it recorded before it started.

    Raises:
        LaunchError: it takes too long, or this host has something else.
    """
    head = nodes.head_place(settings.http_host, settings.dashboard_port)
    nodes.await_head(head, seconds, _say)
    nodes.check_like_head(settings, environment, head.address)


def _configured(config: Path, listen: str, settings: Settings, hosts: int, per_host: int) -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load(config.read_text())
    told["http_options"]["host"] = listen
    told["http_options"]["port"] = settings.http_port
    set_log_format(told, settings)
    spread(told, hosts, per_host)
    return told


class _Cluster:
    """A cluster, by the dashboard of its head.

    Args:
        settings: where the head is.
        environment: environment for Ray's own commands, with its token.
    """

    def __init__(self, settings: Settings, environment: dict[str, str]) -> None:
        self._url = f"http://{settings.http_host}:{settings.dashboard_port}"
        self._environment = environment
        self.headers = dashboard_headers(environment)
        self.applications_url = f"{self._url}/api/serve/applications/"
        self._failed_at: float | None = None

    def await_hosts(self, wanted: int, seconds: float) -> int:
        """Return how many hosts hold replicas, once there are as many as wanted, or any.

        Raises:
            LaunchError: it takes too long.
        """
        deadline = time.monotonic() + seconds
        tell = _every(_TELL_SECONDS)
        while (found := self._hosts()) < max(1, wanted):
            if time.monotonic() > deadline:
                raise LaunchError(
                    f"{found} hosts with CPUs for replicas after {seconds:.0f} s, wanted {max(1, wanted)}:"
                    " `raybid cluster join` adds one"
                )
            tell(f"waiting for hosts: {found} of {max(1, wanted)}")
            time.sleep(_LOOK_SECONDS)
        return wanted or found

    def deploy(self, config: dict[str, Any], name: str) -> None:
        """Submit a configuration.

        Raises:
            LaunchError: it was refused; the reason is on standard error.
        """
        _say(f"deploying {name} to {self._url}")
        serve = Path(sys.executable).parent / "serve"
        direct = self._environment | calls.no_proxy_variables(self._environment, urlsplit(self._url).hostname or "")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(config, file, sort_keys=False)
            file.flush()
            done = processes.run([str(serve), "deploy", file.name, "-a", self._url], cwd=ROOT, env=direct)
        if done.returncode:
            raise LaunchError(f"`serve deploy` of {name} failed: see its output above")

    def failure(self) -> str:
        """Return why the application cannot start, once Serve has said so for a while; empty: it may."""
        try:
            found = self._get("/api/serve/applications/")["applications"]
        except (httpx.HTTPError, KeyError, ValueError):
            return ""
        failed = [one for one in found.values() if one.get("status") == "DEPLOY_FAILED"]
        if not failed:
            self._failed_at = None
            return ""
        self._failed_at = self._failed_at or time.monotonic()
        return _reason(failed[0]) if time.monotonic() - self._failed_at >= _FAILED_SECONDS else ""

    def _hosts(self) -> int:
        """Return how many hosts that are alive have CPUs for replicas."""
        try:
            nodes_told = self._get("/api/v0/nodes?limit=1000")["data"]["result"]["result"]
        except (httpx.HTTPError, KeyError, TypeError, ValueError):  # the part of the dashboard that answers is late
            return 0
        return len({node["node_ip"] for node in nodes_told if _holds_replicas(node)})

    def _get(self, path: str) -> Any:
        answer = calls.get(self._url + path, timeout=5, is_ours=True, headers=self.headers)
        return msgspec.json.decode(answer.raise_for_status().content)


def _holds_replicas(node: Mapping[str, Any]) -> bool:
    return bool(node["state"] == "ALIVE" and node["resources_total"].get("CPU", 0) > 0)


def _reason(application: Mapping[str, Any]) -> str:
    """Return the line in Serve's messages, which are tracebacks, that says what is wrong."""
    told = [application, *application.get("deployments", {}).values()]
    lines = [line.strip() for one in told for line in str(one.get("message", "")).splitlines() if line.strip()]
    ours = (line for line in reversed(lines) if any(name in line for name in _OURS))
    return next(ours, lines[-1] if lines else "see the head's log")


def _await(
    what: str,
    url: str,
    seconds: float,
    headers: Mapping[str, str],
    failure: Callable[[], str] = lambda: "",
) -> None:
    """Poll until the answer is good.

    Args:
        what: what is waited for.
        url: what to ask.
        seconds: the longest wait.
        headers: headers of the request.
        failure: returns why waiting is in vain, if it is known.

    Raises:
        LaunchError: it takes too long, or is in vain; the message has the last answer or the reason.
    """
    deadline = time.monotonic() + seconds
    tell, last = _every(_TELL_SECONDS), "no answer yet"
    while time.monotonic() < deadline:
        try:
            answer = calls.get(url, timeout=5, is_ours=True, headers=headers)
            if answer.is_success:
                _say(f"{what} is up: {url}")
                return
            last = f"{answer.status_code} {answer.text[:200].strip()}"
        except httpx.HTTPError as error:
            last = str(error)
        if reason := failure():
            raise LaunchError(f"{what} does not start: {reason}")
        tell(f"waiting for {what} at {url}: {last}")
        time.sleep(_LOOK_SECONDS)
    raise LaunchError(f"{what} is not up after {seconds:.0f} s: {url} answers {last}; see the head's log")


def _every(seconds: float) -> Callable[[str], None]:
    """Return a function that prints a line unless one was printed within these seconds."""
    said = time.monotonic()

    def tell(text: str) -> None:
        nonlocal said
        if time.monotonic() - said >= seconds:
            said = time.monotonic()
            _say(text)

    return tell


def _say(text: str) -> None:
    typer.echo(text, err=True)


if __name__ == "__main__":
    typer.run(main)
