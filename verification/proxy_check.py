"""nginx with TLS in front of a running platform, as in `cluster/nginx`, and an exchange that trades through it.

    make proxy-check                     # a minute: it starts a platform, ports as in the settings

Bids, notices and clicks all go through the proxy, which is the platform's public URL. The last line is one JSON object.
Exit code 1 if an answer was an error or violated the protocol, if nginx logged a problem, if exchange and ledger
disagree on the spend, or if an internal path can be reached.
"""

from __future__ import annotations

import shutil
import ssl
import tempfile
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import typer
from pydantic import ValidationError
from rich.console import Console

from raybid.local import LaunchError, Platform, preparing
from raybid.local.models import train_missing
from raybid.local.nginx import Proxy, nginx
from raybid.local.ports import free_port
from raybid.refusing import refuse
from raybid.run import send
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation import reference
from simulation.exchange import ReplayOptions, Unreachable

_HIDDEN = ("/metrics", "/stats", "/admin/keys", "/health")


@processes.ended_by_signals()
def main(
    *,
    duration: Annotated[float, typer.Option(min=1, help="seconds of traffic")] = 15.0,
    rate: Annotated[float, typer.Option(min=1, help="requests per second")] = 100.0,
) -> None:
    """Start both, trade through the proxy, compare."""
    console = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="raybid-proxy-"))
    port = free_port()
    try:
        given = Settings()
        train_missing(given, console.print)
        settings = given.model_copy(
            update={
                "var_dir": folder / "var",
                "ctr_artefact": str(given.ctr_dir.resolve()),
                "policy_artefact": str(given.policy_dir.resolve()),
                "public_url": f"https://localhost:{port}",
            }
        )
        upstream = f"{settings.http_host}:{settings.http_port}"
        with (
            Platform(settings, say=lambda text: console.print(plain(text, "dim"))) as platform,
            nginx(folder, port, [upstream]) as proxy,
        ):
            platform.register(reference.campaigns())
            platform.await_campaigns()
            key = settings.resolve_secret("exchange_key")
            options = ReplayOptions(url=proxy.url, key=key, ca=proxy.ca, rate=rate, duration=duration)
            summary = _trade(platform, proxy, options)
    except ValidationError as error:
        refuse("proxy-check", preparing.faults(error))
    except (LaunchError, Unreachable, httpx.HTTPError, OSError) as error:
        refuse("proxy-check", f"{error} (logs: {folder})")
    typer.echo(msgspec.json.encode(summary).decode())
    wrong = faults(summary)
    if wrong:
        refuse("proxy-check", f"{'; '.join(wrong)} (logs: {folder})")
    shutil.rmtree(folder)


def _trade(platform: Platform, proxy: Proxy, options: ReplayOptions) -> dict[str, Any]:
    figures = send(platform, options, Console(stderr=True))
    with calls.client(proxy.url, verify=ssl.create_default_context(cafile=proxy.ca), timeout=10) as client:
        hidden = {path: client.get(path).status_code for path in _HIDDEN}
    return {
        **figures.summary(),
        "ledger_spend_micros": platform.spent_micros(),
        "hidden": hidden,
        "nginx_said": len(proxy.log.read_text(errors="replace").splitlines()),
    }


def faults(summary: dict[str, Any]) -> list[str]:
    """Return what is wrong, a line each."""
    found = []
    if not summary["bids"]:
        found.append("no bid came")
    if not summary["spend_micros"]:
        found.append("no notice charged anything")
    if strange := {code: count for code, count in summary["status_codes"].items() if code not in ("200", "204")}:
        found.append(f"answers that are neither bid nor no-bid: {strange}")
    if summary["errors"]:
        found.append(f"errors: {summary['errors_by_kind']}")
    if summary["invalid_responses"]:
        found.append(f"violations of the protocol: {summary['violations']}")
    if summary["spend_micros"] != summary["ledger_spend_micros"]:
        found.append("the exchange and the ledger disagree on the spend")
    if open_paths := [path for path, status in summary["hidden"].items() if status != 404]:
        found.append(f"not hidden: {', '.join(open_paths)}")
    if summary["nginx_said"]:
        found.append("nginx logged warnings or errors")
    return found


if __name__ == "__main__":
    typer.run(main)
