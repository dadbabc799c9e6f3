"""Deploy the application to a cluster that runs elsewhere: the checks before and after `serve deploy`.

    RAYBID_HTTP_HOST=head python -m pipelines.deploy

It waits for the cluster's dashboard (RAYBID_HTTP_HOST, RAYBID_DASHBOARD_PORT), trains a small click model if there is
none, deploys `serve_config.yaml`, and finishes when bids are answered. On a running cluster it updates the application.
In `serve_config.yaml` the ingress listens on the loopback address, which other nodes cannot reach: here it listens on
all addresses. The last line is one JSON object.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import msgspec
import typer
import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError

from raybid.local import LaunchError
from raybid.local.checks import check_keys, check_models
from raybid.local.configuration import set_log_format
from raybid.local.environment import ROOT, dashboard_headers
from raybid.local.models import train_missing
from raybid.local.preparing import faults
from raybid.refusing import refuse
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings

_LOOK_SECONDS = 1.0
_TELL_SECONDS = 10.0  # between two progress lines while waiting


def main(
    config: Annotated[Path, typer.Option(help="configuration to deploy")] = ROOT / "serve_config.yaml",
    listen: Annotated[str, typer.Option(help="address that ingress and replicas listen on, on every node")] = "0.0.0.0",
    patience: Annotated[float, typer.Option(min=1, help="seconds to wait for the cluster, then for bids")] = 300.0,
) -> None:
    """Wait for the cluster, deploy, wait until bids are answered."""
    began = time.monotonic()
    try:
        settings = Settings()
        check_keys(settings, listen)
        train_missing(settings, _say)
        check_models(settings)
        dashboard = f"http://{settings.http_host}:{settings.dashboard_port}"
        _await("the cluster", f"{dashboard}/api/serve/applications/", patience)
        _deploy(config, listen, dashboard, settings)
        _await("the application", f"{settings.base_url}/health/ready", patience)
    except ValidationError as error:
        refuse("deploy", faults(error))
    except (LaunchError, SettingsError, OSError) as error:
        refuse("deploy", error)
    told = {"deployed": config.name, "ready": settings.base_url, "seconds": round(time.monotonic() - began, 1)}
    typer.echo(msgspec.json.encode(told).decode())


def _deploy(config: Path, listen: str, dashboard: str, settings: Settings) -> None:
    """Submit the configuration.

    Raises:
        LaunchError: it was refused; the reason is on standard error.
    """
    told = yaml.safe_load(config.read_text())
    told["http_options"]["host"] = listen
    set_log_format(told, settings)
    _say(f"deploying {config} to {dashboard}")
    serve = Path(sys.executable).parent / "serve"
    direct = {**os.environ, **calls.no_proxy_variables(os.environ, urlsplit(dashboard).hostname or "")}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(told, file, sort_keys=False)
        file.flush()
        done = processes.run([str(serve), "deploy", file.name, "-a", dashboard], cwd=ROOT, env=direct)
    if done.returncode:
        raise LaunchError(f"`serve deploy` of {config} failed: see its output above")


def _await(what: str, url: str, seconds: float) -> None:
    """Poll until the answer is good.

    Raises:
        LaunchError: it takes too long; the message has the last answer.
    """
    deadline = time.monotonic() + seconds
    tell, last = _every(_TELL_SECONDS), "no answer yet"
    while time.monotonic() < deadline:
        try:
            answer = calls.get(url, timeout=5, is_ours=True, headers=dashboard_headers(os.environ))
            if answer.is_success:
                _say(f"{what} is up: {url}")
                return
            last = f"{answer.status_code} {answer.text[:200].strip()}"
        except httpx.HTTPError as error:
            last = str(error)
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
