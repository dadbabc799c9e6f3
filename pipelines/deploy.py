"""The application put on a cluster that runs elsewhere: what `serve deploy` does, and what has to be there before.

    RAYBID_HTTP_HOST=head python -m pipelines.deploy

It waits for the cluster's dashboard (RAYBID_HTTP_HOST, RAYBID_DASHBOARD_PORT), trains a small model of clicks where
there is none, deploys `serve_config.yaml`, and ends when bids are answered. Again on a running cluster it is an update.
`serve_config.yaml` has the ingress listen on the loopback address, which no other node reaches: here it listens on all.
The last line is one JSON object.
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
_TELL_SECONDS = 10.0  # between two lines while something is waited for


def main(
    config: Annotated[Path, typer.Option(help="what to deploy")] = ROOT / "serve_config.yaml",
    listen: Annotated[
        str, typer.Option(help="address of every node that the ingress and replicas listen on")
    ] = "0.0.0.0",
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
    """Hand the configuration over.

    Raises:
        LaunchError: it is refused; why is on standard error.
    """
    told = yaml.safe_load(config.read_text())
    told["http_options"]["host"] = listen
    set_log_format(told, settings)
    _say(f"deploying {config} to {dashboard}")
    serve = Path(sys.executable).parent / "serve"
    direct = {**os.environ, **calls.spared(os.environ, urlsplit(dashboard).hostname or "")}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(told, file, sort_keys=False)
        file.flush()
        done = processes.run([str(serve), "deploy", file.name, "-a", dashboard], cwd=ROOT, env=direct)
    if done.returncode:
        raise LaunchError(f"`serve deploy` of {config} fails: what it says is above")


def _await(what: str, url: str, seconds: float) -> None:
    """Ask until the answer is good.

    Raises:
        LaunchError: it takes too long; with what was answered last.
    """
    deadline = time.monotonic() + seconds
    tell, last = _every(_TELL_SECONDS), "no answer yet"
    while time.monotonic() < deadline:
        try:
            answer = calls.get(url, timeout=5, is_ours=True, headers=dashboard_headers(os.environ))
            if answer.is_success:
                _say(f"{what} is there: {url}")
                return
            last = f"{answer.status_code} {answer.text[:200].strip()}"
        except httpx.HTTPError as error:
            last = str(error)
        tell(f"waiting for {what} at {url}: {last}")
        time.sleep(_LOOK_SECONDS)
    raise LaunchError(f"{what} is not there after {seconds:.0f} s: {url} says {last}; see the head's log")


def _every(seconds: float) -> Callable[[str], None]:
    """Says a line when none was said for so long."""
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
