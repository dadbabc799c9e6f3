"""Ray and all other listeners: from another address, and from this machine without the token."""

from __future__ import annotations

import sys
from functools import partial

from verification.attacks.case import Attacks, Finding
from verification.attacks.stranger import Stranger
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_RAY = """
import sys
from ray.util import connect
connect(sys.argv[1], connection_retries=1)
import ray
print("ran a task as", ray.get(ray.remote(lambda: __import__("getpass").getuser()).remote(), timeout=20))
"""
_GCS = """
import sys
from ray._raylet import GcsClient
print("keys of the GCS:", GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, timeout=10)[:3])
"""
_DASHBOARD = (
    ("GET", "/api/jobs/"),
    ("GET", "/api/serve/applications/"),
    ("GET", "/nodes?view=summary"),
    ("GET", "/api/v0/actors"),
    ("GET", "/api/v0/logs?node_ip=127.0.0.1"),
    ("GET", "/api/cluster_status"),
    ("GET", "/api/gcs_healthz/../jobs/"),
    ("PUT", "/api/packages/gcs/evil.zip"),
    ("DELETE", "/api/serve/applications/"),
)
_JOB = '{"entrypoint": "id"}'
_JSON = {"Content-Type": "application/json"}
_REBOUND = {"Host": "rebound.example", "Origin": "http://rebound.example", "Content-Type": "text/plain"}


@attacks(Finding.RAY, "listeners beyond loopback, in every process of the platform")
def beyond_loopback(target: AttackedPlatform) -> str:
    """Count them."""
    found = [one for one in target.listeners() if not one.is_loopback]
    return ", ".join(map(str, found))


@attacks(Finding.RAY, "every port that the platform listens on, from a second address")
def every_port_outside(target: AttackedPlatform) -> str:
    """Connect to each."""
    ports = sorted({one.port for one in target.listeners() if one.protocol == "tcp"})
    places = [(host, port) for host in target.outside.hosts for port in ports]
    answers = target.outside.ask(*({"do": "connect", "host": host, "port": port} for host, port in places))
    taken = [f"{host}:{port}" for (host, port), answer in zip(places, answers, strict=True) if "open" in answer]
    return f"connected to {', '.join(taken)}" if taken else ""


def _program(target: AttackedPlatform, stranger: Stranger, program: str, port: int, **extra: str) -> str:
    """Run a client of Ray's without a token, or with the one in `extra`."""
    for host in stranger.hosts:
        if "open" in stranger.one("connect", host=host, port=port):
            done = stranger.run([sys.executable, "-c", program, f"{host}:{port}"], **extra)
            if done.returncode == 0:
                return done.stdout.strip()
    return ""


@attacks(Finding.RAY, "a task over the Ray client from a second address")
def client_outside(target: AttackedPlatform) -> str:
    """Repeat the audit's attack."""
    return _program(target, target.outside, _RAY, target.settings.ray_client_port)


@attacks(Finding.RAY, "a task over the Ray client on loopback, without a token")
def client_inside(target: AttackedPlatform) -> str:
    """Act as a local user."""
    return _program(target, Stranger(), _RAY, target.settings.ray_client_port)


@attacks(Finding.RAY, "a task over the Ray client on loopback, with a made-up token")
def client_guessing(target: AttackedPlatform) -> str:
    """Act as a local user who guesses."""
    port = target.settings.ray_client_port
    return _program(target, Stranger(), _RAY, port, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)


@attacks(Finding.RAY, "the GCS from a second address")
def gcs_outside(target: AttackedPlatform) -> str:
    """Try to read its keys."""
    return _program(target, target.outside, _GCS, target.settings.ray_port)


@attacks(Finding.RAY, "the GCS on loopback, without a token")
def gcs_inside(target: AttackedPlatform) -> str:
    """Try to read its keys."""
    return _program(target, Stranger(), _GCS, target.settings.ray_port)


def _refused(target: AttackedPlatform, method: str, path: str, headers: dict[str, str], body: str = "") -> str:
    """Make a request without a token; it counts as a success unless it is an error."""
    port = target.settings.dashboard_port
    answer = Stranger().one("ask", host="127.0.0.1", port=port, method=method, path=path, headers=headers, body=body)
    status = answer.get("status", 0)
    return f"{status}: {answer['body'][:200]}" if 0 < status < 400 else ""


def _dashboard(method: str, path: str, target: AttackedPlatform) -> str:
    return _refused(target, method, path, {})


for _method, _path in _DASHBOARD:
    attacks.add(
        Finding.RAY, f"{_method} {_path} of Ray's dashboard without a token", partial(_dashboard, _method, _path)
    )


@attacks(Finding.RAY, "a job over the dashboard's API without a token")
def job(target: AttackedPlatform) -> str:
    """Run a command."""
    return _refused(target, "POST", "/api/jobs/", _JSON, _JOB)


@attacks(Finding.RAY, "a job with a wrong token")
def job_guessing(target: AttackedPlatform) -> str:
    """Run a command."""
    headers = {**_JSON, "Authorization": "Bearer " + "0" * 64}
    return _refused(target, "POST", "/api/jobs/", headers, _JOB)


@attacks(Finding.RAY, "a job from a page that rebinds its name to this machine")
def job_rebound(target: AttackedPlatform) -> str:
    """Send what a browser would send for such a page."""
    return _refused(target, "POST", "/api/jobs/", _REBOUND, _JOB)


@attacks(Finding.RAY, "the dashboard read from a page that rebinds its name to this machine")
def dashboard_rebound(target: AttackedPlatform) -> str:
    """Send what a browser would send for such a page."""
    return _refused(target, "GET", "/api/serve/applications/", _REBOUND)


@attacks(Finding.RAY, "a job posted to every port of the platform, as to a job agent")
def job_anywhere(target: AttackedPlatform) -> str:
    """Try each port: the agent of each node accepts jobs, too."""
    ports = sorted({one.port for one in target.listeners() if one.protocol == "tcp"})
    for path in ("/api/job_agent/jobs/", "/api/jobs/"):
        questions = [
            {
                "do": "ask",
                "host": "127.0.0.1",
                "port": port,
                "method": "POST",
                "path": path,
                "headers": _JSON,
                "body": _JOB,
            }
            for port in ports
        ]
        for port, answer in zip(ports, Stranger().ask(*questions), strict=True):
            if 0 < answer.get("status", 0) < 400:
                return f"port {port} {path}: {answer['status']} {answer['body'][:200]}"
    return ""


@attacks(Finding.RAY, "garbage sent to every port of the platform, which must stay up")
def rubbish(target: AttackedPlatform) -> str:
    """Send bytes that follow no protocol."""
    before = {one.pid for one in target.processes()}
    data = ("\xff\x00PRI * HTTP/2.0\r\n\r\n" * 4_000)[:60_000]
    ports = sorted({one.port for one in target.listeners() if one.protocol == "tcp"})
    Stranger().ask(*({"do": "send", "host": "127.0.0.1", "port": port, "data": data} for port in ports))
    gone = [pid for pid in before if pid not in {one.pid for one in target.processes()}]
    ready = target.call("GET", "/health/ready").status_code
    return f"after it /health/ready is {ready}, and {len(gone)} processes are gone" if ready != 200 else ""


@attacks(Finding.RAY, "a server taken out of HAProxy by its statistics page")
def statistics_page(target: AttackedPlatform) -> str:
    """Check that there is none: such a page may have an admin level."""
    form = "action=disable&s=all&b=all"
    for one in target.listeners():
        if one.process == "haproxy" and one.port != target.settings.http_port:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = Stranger().one(
                "ask", host="127.0.0.1", port=one.port, method="POST", path="/stats", headers=headers, body=form
            )
            if 0 < answer.get("status", 0) < 400 and "DENY" not in answer["location"]:  # how HAProxy refuses
                return f"{answer['status']} {answer['location']}"
    return ""
