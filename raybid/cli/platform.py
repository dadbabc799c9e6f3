"""`raybid up`, `down` and `status`: the platform on this machine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import IO, Annotated, Any, NoReturn

import httpx
import typer
from rich.console import Console
from rich.table import Table

from raybid.cli.client import PlatformApi
from raybid.cli.common import (
    FAILED,
    LEFT_OUT,
    NOT_RUNNING,
    AsJson,
    Key,
    Url,
    fail,
    page,
    screen,
    settings,
    show_json,
    units,
)
from raybid.local import LaunchError, supervision
from raybid.local.configuration import Graph
from raybid.local.environment import ROOT, client_environment
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain

_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 5.0


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="return once it serves; stop it with `raybid down`")
    ] = False,
    samples: Annotated[bool, typer.Option("--samples", help="with the 20 sample campaigns of `make run`")] = False,
    graph: Annotated[Graph, typer.Option(help="where the models run")] = "composed",
    as_json: AsJson = False,
) -> None:
    """Start a platform on this machine (ledger, Ray, Serve); without --detach it runs until Ctrl-C."""
    chosen = settings()
    try:
        if detach:
            _start(chosen, graph, samples=samples, screen=screen())
        else:
            supervision.supervise(chosen, graph, screen(), samples=samples)
    except (LaunchError, OSError) as error:
        fail(str(error))
    if as_json:
        show_json({"url": chosen.base_url, "running": detach})
    elif detach:
        page().print(
            plain(f"up: {chosen.base_url}  API {chosen.base_url}/docs  end it with `raybid down`"), soft_wrap=True
        )


def down(*, as_json: AsJson = False) -> None:
    """Stop the platform that `raybid up` started on this folder, and wait until it has stopped."""
    chosen, console = settings(), screen()
    try:
        with console.status("ending the platform") as spinner:
            ended = supervision.end(chosen, spinner.update)
    except (LaunchError, OSError) as error:
        fail(str(error))
    if not ended and _answers(chosen.base_url):
        folder = chosen.var_dir.resolve()
        fail(f"what answers at {chosen.base_url} was not started by `raybid up` on {folder}: end it where it was")
    if as_json:
        show_json({"ended": ended})
    else:
        page().print(plain("down" if ended else f"nothing runs on {chosen.var_dir.resolve()}"), soft_wrap=True)


def status(*, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Show the platform's state; exits with 0 it can bid, 1 it cannot, 3 no answer, 4 it skips records."""
    api = PlatformApi(url, key)
    health = _health(api)
    can_bid = health.pop("can_bid")
    stats = api.get("/stats") if can_bid else {}
    if as_json:
        show_json({"url": api.url, "can_bid": can_bid, "health": health, **_figures(stats)})
    else:
        _show(api.url, health, stats)
    if not can_bid:
        raise typer.Exit(FAILED)
    if health["parts"].get("records", {}).get("left_out"):
        raise typer.Exit(LEFT_OUT)


def token(
    *,
    exports: Annotated[
        bool, typer.Option("--exports", help="print shell exports, for `ray`, `serve` and programs that use Ray")
    ] = False,
) -> None:
    """Print the token for this platform's Ray: its dashboard, jobs, clients."""
    chosen = settings()
    try:
        if exports:
            told = "\n".join(
                f"export {name}={shlex.quote(value)}" for name, value in client_environment(chosen).items()
            )
        else:
            told = chosen.ray_token_path().read_text().strip()
    except OSError as error:
        fail(str(error))
    typer.echo(told)


def _start(chosen: Settings, graph: Graph, *, samples: bool, screen: Console) -> None:
    """Start a platform in the background and wait until it serves.

    Raises:
        LaunchError: it does not start; nothing is left running.
        OSError: its folder cannot be written.
    """
    if supervision.is_running(chosen):
        raise LaunchError(supervision.running_already(chosen))
    with processes.ended_by_signals(), tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", supervision.__name__, graph, str(os.getpid())]
        child = subprocess.Popen(
            [*command, *(["samples"] if samples else [])],
            cwd=ROOT,
            env=_environment(chosen),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            _await(chosen, child, screen)
        except BaseException as error:
            with suppress(OSError):  # its terminal may be closed
                screen.print("ending it again")
            processes.end(child)
            raise LaunchError("stopped before the platform was up") from error
        if child.poll() is not None:
            raise LaunchError(_last_words(chosen, child, said))


def _await(chosen: Settings, child: subprocess.Popen[bytes], screen: Console) -> None:
    """Wait until the platform serves, or has ended."""
    with screen.status("starting") as spinner:
        while child.poll() is None:
            state = supervision.read(chosen)
            if state is not None and state.pid == child.pid:
                spinner.update(plain(state.stage))
                if state.is_ready:
                    return
            time.sleep(_LOOK_SECONDS)


def _last_words(chosen: Settings, child: subprocess.Popen[bytes], said: IO[bytes]) -> str:
    """Return the child's own message if it failed before it opened its log, else the log's last line."""
    said.seek(0)
    log = supervision.log_path(chosen)
    early = said.read().decode(errors="replace")
    text = early or (log.read_text(errors="replace") if log.exists() else "")
    lines = [line for line in text.splitlines() if line.strip()]
    last = lines[-1].removeprefix("raybid: ") if lines else f"it exited with {child.returncode} and no message"
    return last if early else f"{last} (full log: {log})"


def _environment(chosen: Settings) -> dict[str, str]:
    """Return our environment with absolute folders: the child runs in another working directory."""
    folders = {"RAYBID_VAR_DIR": str(chosen.var_dir.resolve())}
    return {**os.environ, **folders, "PYTHONUNBUFFERED": "1"}


def _health(api: PlatformApi) -> dict[str, Any]:
    """Return `/health`, also of a platform that cannot bid."""
    try:
        answer = calls.get(f"{api.url}/health", is_ours=api.is_ours, timeout=_PATIENCE_SECONDS)
        told: dict[str, Any] = answer.json()
        told["can_bid"] = answer.is_success
    except httpx.InvalidURL as error:
        fail(f"{api.url} is not a URL ({error})", 2)
    except (httpx.HTTPError, ValueError, TypeError) as error:
        _say_away(api, error)
    return told


def _say_away(api: PlatformApi, error: Exception) -> NoReturn:
    """Fail because nothing answers, and say why: starting, stopping, elsewhere or not running."""
    chosen = settings()
    state = supervision.read(chosen)
    why = str(error) if calls.proxy_of(api.url) and not api.is_ours else type(error).__name__
    if api.url != chosen.base_url:
        fail(f"no platform answers at {api.url} ({why}): see --url and RAYBID_URL", NOT_RUNNING)
    if state is not None and supervision.is_running(chosen):
        if state.url != api.url:
            fail(f"the platform of {chosen.var_dir.resolve()} listens at {state.url}, not at {api.url}", NOT_RUNNING)
        if state.is_ready:
            log = supervision.log_path(chosen)
            fail(f"the platform was up, but does not answer at {api.url} ({why}): see {log.parent}", NOT_RUNNING)
        fail(f"not up yet at {api.url}: {state.stage}", NOT_RUNNING)
    if supervision.left_behind(chosen) is not None:
        fail("the platform was killed and its processes are still ending: `raybid down` waits for them", NOT_RUNNING)
    why = state.error if state is not None and state.error else why
    fail(f"nothing answers at {api.url} ({why}): start a platform with `raybid up --detach`", NOT_RUNNING)


def _answers(url: str) -> bool:
    try:
        return calls.get(f"{url}/health/live", is_ours=True, timeout=_PATIENCE_SECONDS).is_success
    except httpx.HTTPError:
        return False


def _figures(stats: dict[str, Any]) -> dict[str, Any]:
    counters = stats.get("counters", {})
    names = {"requests": "requests", "bids": "bid_responses"}
    return {
        "ledger": stats.get("ledger", {}),
        **{name: counters.get(counter, 0) for name, counter in names.items()},
        **{
            name: sum(book[name] for book in stats.get("campaigns", {}).values())
            for name in ("wins", "bills", "clicks", "conversions")
        },
    }


def _show(url: str, health: dict[str, Any], stats: dict[str, Any]) -> None:
    table = Table(show_header=False, box=None, title=plain(f"{url}: {health['status']}"), title_justify="left")
    for name, part in health.get("parts", {}).items():
        more = ", ".join(f"{key} {value}" for key, value in part.items() if key != "state")
        colour = "green" if part["state"] == "ok" else "red"
        table.add_row(plain(name), plain(part["state"], colour), plain(more))
    found = _figures(stats)
    ledger = found.pop("ledger")
    table.add_row("campaigns", str(health.get("campaigns", 0)), "bidding or scheduled")
    table.add_row("traffic", "", ", ".join(f"{value:,} {name}" for name, value in found.items()))
    pots = ("budget", "available", "spent")
    table.add_row("money", "", ", ".join(f"{name} {units(ledger.get(f'{name}_micros'))}" for name in pots))
    page().print(table)
