"""The processes of a local platform: Valkey, a Ray head, the Serve application."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import httpx
import msgspec
import psutil
import yaml

from raybid.local.checks import LaunchError, check_keys, preflight
from raybid.local.configuration import Graph, Scaling, cpus_reserved, serve_config
from raybid.local.environment import ROOT, dashboard_headers, environment
from raybid.local.folders import kept, run_folder, tidy
from raybid.local.listeners import beyond_loopback
from rtb.campaigns.campaign import Campaign
from rtb.ledger import LedgerError, embedded
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings

Say = Callable[[str], None]

_RAY_SECONDS = 120.0
_RAY_TRIES = 3
_SERVE_SECONDS = 180.0
_SHUTDOWN_SECONDS = 30.0
_KILL_SECONDS = 20.0
_DEPLOY_SECONDS = 60.0


class _RayEnded(LaunchError):
    """Ray's command, which should keep running, exited."""


class Platform(AbstractContextManager["Platform"]):
    """A platform on one machine, up while the context lasts.

    Args:
        settings: ports and folders.
        graph: where the stages run.
        say: called with progress, a line at a time.
        replicas: minimum number of replicas by deployment; the others as in `serve_config.yaml`.
        application: what to deploy instead of the application in `serve_config.yaml`, as `module:builder`.
        scaling: autoscaling numbers by deployment, instead of those in `serve_config.yaml`. Ray is then told it has as
            many CPUs as their maximum of replicas takes, whatever the machine has.
    """

    def __init__(
        self,
        settings: Settings,
        graph: Graph = "composed",
        say: Say = lambda _: None,
        replicas: Mapping[str, int] | None = None,
        application: str = "",
        *,
        scaling: Mapping[str, Scaling] | None = None,
    ) -> None:
        self._settings = settings
        self._say = say
        self._scaled = scaling or {}
        self._config = serve_config(settings, graph, replicas or {}, self._scaled)
        if application:
            self._config["applications"][0]["import_path"] = application
        self._server: embedded.EmbeddedServer | None = None
        self._ray: subprocess.Popen[bytes] | None = None
        self._logs: list[IO[bytes]] = []
        self._env: dict[str, str] = {}
        self._kept = ExitStack()

    def __enter__(self) -> Platform:
        """Start everything.

        Raises:
            LaunchError: something does not start; what was started has been stopped again.
        """
        try:
            preflight(self._settings)
            check_keys(self._settings, self._config["http_options"]["host"])
            self._settings.resolve_secret("exchange_key")  # so that programs on this machine can bid and watch
            self._settings.resolve_secret("report_key")
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything that was started."""
        self.stop()

    @property
    def ray_pid(self) -> int:
        """Process id of the guard of Ray's head; 0 before it was started."""
        return self._ray.pid if self._ray is not None else 0

    def check(self) -> None:
        """Raise when Ray has died. A dead ledger server does not count: the Controller restarts it.

        Raises:
            LaunchError: Ray is dead.
        """
        if self._ray is not None and self._ray.poll() is not None:
            raise _RayEnded(f"Ray exited: {_last_line(self._log_path('ray'))}")

    def register(self, campaigns: list[Campaign]) -> int:
        """Create campaigns over the API, skip those that exist, and return how many are new.

        Raises:
            LaunchError: the API refuses one.
        """
        headers = self._settings.key_headers("admin_key")
        created = 0
        with calls.client(self._settings.base_url, is_ours=True, headers=headers, timeout=10) as client:
            for campaign in campaigns:
                answer = client.post("/campaign/create", content=msgspec.json.encode(campaign))
                if answer.status_code not in (201, 409):
                    raise LaunchError(
                        f"campaign {campaign.id} was refused with {answer.status_code}: {answer.text[:200]}"
                    )
                created += answer.status_code == 201
        return created

    def await_campaigns(self) -> None:
        """Wait until the Router has loaded the campaigns and their leases can have arrived.

        Raises:
            LaunchError: it takes too long.
        """
        self._await("the Router's catalog", 30.0, lambda: bool(self._health().get("campaigns")))
        time.sleep(2 * self._settings.tick_seconds)

    def spent_micros(self) -> int:
        """Return what the ledger says was spent, over all campaigns and all time."""
        headers = self._settings.key_headers("admin_key")
        answer = calls.get(f"{self._settings.base_url}/stats", is_ours=True, headers=headers, timeout=10)
        answer.raise_for_status()
        return int(answer.json()["ledger"]["spent_micros"])

    def stop(self) -> None:
        """Stop what was started, in reverse order."""
        if self._ray is not None and self._ray.poll() is None:
            self._say("stopping Serve and Ray")
            self._run(["serve", "shutdown", "-y", "-a", self._dashboard], _SHUTDOWN_SECONDS)
            processes.end(self._ray)
            self._await_gone()
        self._ray = None
        if self._server is not None:
            self._server.stop()
            self._server = None
            embedded.stop_successor(self._settings)
        for log in self._logs:
            log.close()
        self._logs.clear()
        self._kept.close()

    def kill(self) -> None:
        """Kill Ray and all its processes at once, as a power cut would. The ledger's server stays."""
        if self._ray is None or self._ray.poll() is not None:
            return
        head = psutil.Process(self._ray.pid)
        for process in [head, *head.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._ray.wait()

    def _start(self) -> None:
        try:
            tidy()
            self._env = environment(self._settings)
            self._kept.enter_context(kept(run_folder(self._settings)))
            self._server = embedded.start_if_needed(self._settings)
        except (LedgerError, OSError) as error:
            raise LaunchError(str(error)) from error
        self._say(f"ledger: {self._settings.ledger_place}")
        for attempts_left in reversed(range(_RAY_TRIES)):
            try:
                self._start_ray()
                break
            except _RayEnded as error:  # one of its processes lost a race for a port, for example
                if not attempts_left:
                    raise
                self._say(f"{error}: restarting")
        self._await("the application", _SERVE_SECONDS, self._is_ready)
        self._check_listeners()
        self._say(f"serving: {self._settings.base_url}")

    def _start_ray(self) -> None:
        self._ray = self._spawn("ray", self._ray_command())
        self._say("starting Ray")
        # Serve's part of the dashboard answers after the rest of it.
        answers, headers = f"{self._dashboard}/api/serve/applications/", dashboard_headers(self._env)
        self._await("Ray's dashboard", _RAY_SECONDS, lambda: calls.get(answers, headers=headers, timeout=5).is_success)
        self._say(f"Ray: {self._dashboard}")
        self._deploy()

    def _ray_command(self) -> list[str]:
        settings = self._settings
        options = {
            "--port": settings.ray_port,
            "--dashboard-host": "127.0.0.1",
            "--dashboard-port": settings.dashboard_port,
            "--ray-client-server-port": settings.ray_client_port,
            "--dashboard-agent-listen-port": 0,  # any: an agent that finds the default taken accepts no jobs, silently
            "--num-cpus": max(os.cpu_count() or 1, cpus_reserved(self._config, self._scaled)),
        }
        return [
            "ray",
            "start",
            "--head",
            "--block",
            "--log-color",
            "false",
            *(str(part) for pair in options.items() for part in pair),
        ]

    def _deploy(self) -> None:
        path = self._settings.var_dir / "serve_config.yaml"
        path.write_text(yaml.safe_dump(self._config, sort_keys=False))
        deadline = time.monotonic() + _DEPLOY_SECONDS
        while time.monotonic() < deadline:
            if self._run(["serve", "deploy", str(path), "-a", self._dashboard], _SERVE_SECONDS) == 0:
                return
            time.sleep(1)
            self.check()
        raise LaunchError(f"`serve deploy` failed: {_last_line(self._log_path('serve'))}")

    def _await_gone(self) -> None:
        """Wait for Ray's last process, which ends a little after its command: the next start needs its ports."""
        deadline = time.monotonic() + _KILL_SECONDS
        while embedded.is_listening(self._settings.ray_port) and time.monotonic() < deadline:
            time.sleep(0.1)

    def _check_listeners(self) -> None:
        """Refuse a Ray that other machines can reach, as another version of it might allow.

        Raises:
            LaunchError: something listens beyond the loopback addresses.
        """
        found = beyond_loopback(self.ray_pid) if self.ray_pid else []
        if found:
            raise LaunchError(f"reachable from other machines: {', '.join(map(str, found))}")

    def _is_ready(self) -> bool:
        return calls.get(f"{self._settings.base_url}/health/ready", is_ours=True, timeout=5).is_success

    def _health(self) -> dict[str, object]:
        answer = calls.get(f"{self._settings.base_url}/health", is_ours=True, timeout=5)
        found: dict[str, object] = answer.json() if answer.headers.get("content-type") == "application/json" else {}
        return found

    def _await(self, what: str, seconds: float, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            try:
                if ready():
                    return
            except (httpx.HTTPError, ValueError):  # not up yet
                pass
            time.sleep(0.25)
        raise LaunchError(f"{what} did not come up in {seconds:.0f} s: see the logs in {self._log_path('ray').parent}")

    @property
    def _dashboard(self) -> str:
        return f"http://127.0.0.1:{self._settings.dashboard_port}"

    def _log_path(self, name: str) -> Path:
        return self._settings.var_dir.resolve() / "logs" / f"{name}.log"

    def _open_log(self, name: str) -> IO[bytes]:
        path = self._log_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        log = self._open_log(name)
        self._logs.append(log)
        return processes.start(
            [*_tool(command[0]), *command[1:]],
            _KILL_SECONDS,
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            umask=0o077,
        )

    def _run(self, command: list[str], seconds: float) -> int | None:
        """Return how a command ended; `None` when it took too long."""
        with self._open_log("serve") as log:
            try:
                return processes.run(
                    [*_tool(command[0]), *command[1:]],
                    cwd=ROOT,
                    env=self._env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=seconds,
                    umask=0o077,
                ).returncode
            except subprocess.TimeoutExpired:
                return None


def _last_line(log: Path) -> str:
    """Return the last line of a command's log, and where the rest is."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f"{lines[-1] if lines else 'no output'} (full log: {log})"


def _tool(name: str) -> list[str]:
    """Return a command of this virtual environment, activated or not."""
    return [str(Path(sys.executable).parent / name)]
