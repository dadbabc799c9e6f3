"""The scripts that bring Raybid to a cluster, with servers that answer and a kubectl that says what they are told.

There is no Kubernetes where tests run: what is tested is what the scripts decide, and that they ask for real objects.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cluster.manifests.build import find_kubectl

KUBERAY = Path(__file__).parents[2] / "cluster" / "kuberay"


class Answers:
    """What a server is to answer, and what it was asked."""

    def __init__(
        self, health: list[int], bid: int, body: str = '{"id": "smoke", "seatbid": []}', key: str = ""
    ) -> None:
        self.health, self.bid, self.body, self.key = health, bid, body, key
        self.asked: list[dict[str, Any]] = []


@contextmanager
def server(answers: Answers) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = answers.health.pop(0) if len(answers.health) > 1 else answers.health[0]
            self._answer(status if self.path == "/health" else 404, '{"status": "ok"}')

        def do_POST(self) -> None:
            answers.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            is_known = not answers.key or self.headers.get("X-API-Key") == answers.key
            self._answer(answers.bid if is_known else 401, answers.body)

        def _answer(self, status: int, body: str) -> None:
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if status != 204:
                self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}/"
    finally:
        running.shutdown()
        running.server_close()


def run(script: str, *arguments: str, path: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **more}
    if path is not None:
        environment["PATH"] = f"{path}:{environment['PATH']}"
    command = ["bash", str(KUBERAY / script), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("status", "said"), [(200, "a bid"), (204, "no bid, in time")])
def test_smoke_passes_where_bids_are_answered(status: int, said: str) -> None:
    answers = Answers([503, 200], status)
    with server(answers) as url:
        done = run("smoke.sh", url)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert [asked["test"] for asked in answers.asked] == [1]  # holds no money


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (Answers([503], 200), "was not 200 within 1 s"),
        (Answers([200], 500), "got 500"),
        (Answers([200], 200, body="{}"), "without a seatbid"),
        (Answers([200], 200, key="secret"), "RAYBID_SMOKE_KEY"),
    ],
)
def test_smoke_fails_where_they_are_not(answers: Answers, said: str) -> None:
    with server(answers) as url:
        done = run("smoke.sh", url, SMOKE_SECONDS="1")
    assert done.returncode == 1
    assert said in done.stderr


def test_smoke_sends_its_key() -> None:
    with server(Answers([200], 204, key="secret")) as url:
        assert run("smoke.sh", url, RAYBID_SMOKE_KEY="secret").returncode == 0


def test_smoke_fails_where_nobody_listens() -> None:
    done = run("smoke.sh", "http://127.0.0.1:9", SMOKE_SECONDS="0")
    assert done.returncode == 1 and "/health was not 200" in done.stderr


_KUBECTL = r"""#!{python}
import json, pathlib, subprocess, sys

state = pathlib.Path({state!r})
arguments = sys.argv[1:]
with open(state / "calls", "a") as calls:
    calls.write(" ".join(arguments) + "\n")
image = state / "image"


def service():
    return json.loads((state / "status").read_text())


if arguments[0] == "apply":
    built = subprocess.run([{kubectl!r}, "kustomize", arguments[2]], capture_output=True, text=True)
    sys.stderr.write(built.stderr)
    if built.returncode or (state / "refuses").exists():
        sys.exit(1)
    line = next(line for line in built.stdout.splitlines() if "image: " in line and "raybid" in line)
    (state / "applied").write_text(line.split("image: ")[1])
    if not (state / "stuck").exists():
        image.write_text(line.split("image: ")[1])
elif "view-last-applied" in arguments:
    if not (state / "before").exists():
        sys.exit(1)
    print("kind: X\nspec:\n  image: " + (state / "before").read_text())
elif "apply" in arguments:  # going back
    image.write_text((state / "before").read_text())
elif "raycluster" in arguments:
    sys.stdout.write(image.read_text())
elif "rayservice" in arguments and "get" in arguments:
    asked = arguments[-1]
    found = {{"generation": "7", "observedGeneration": "7", '"Ready"': "True", '"UpgradeInProgress"': "False",
              "rayClusterName": "raybid-abc"}}
    sys.stdout.write(next((value for key, value in found.items() if key in asked), ""))
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Yield the state of the fake kubectl, which is in its folder `bin`."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "kubectl"
    script.write_text(_KUBECTL.format(python=sys.executable, state=str(tmp_path), kubectl=find_kubectl()))
    script.chmod(0o755)
    return tmp_path


def deploy(state: Path, url: str, image: str = "registry.example:5000/raybid:2", **more: str) -> Any:
    more = {"WAIT_SECONDS": "2", "POLL_SECONDS": "1", "SMOKE_SECONDS": "1", "SMOKE_URL": url, **more}
    done = run("deploy.sh", "production", image, path=state / "bin", **more)
    assert not list(KUBERAY.glob(".deploy.*"))
    return done


def test_a_deploy_that_serves_stays(state: Path) -> None:
    (state / "before").write_text("registry.example:5000/raybid:1")
    with server(Answers([200], 204)) as url:
        done = deploy(state, url)
    assert done.returncode == 0, done.stderr
    assert (state / "applied").read_text() == (state / "image").read_text() == "registry.example:5000/raybid:2"
    assert "production has registry.example:5000/raybid:2" in done.stdout


def test_one_that_does_not_answer_bids_goes_back(state: Path) -> None:
    (state / "before").write_text("registry.example:5000/raybid:1")
    with server(Answers([200], 500)) as url:
        done = deploy(state, url)
    assert done.returncode == 1
    assert (state / "image").read_text() == "registry.example:5000/raybid:1"
    assert "taken back" in done.stderr and "got 500" in done.stderr
    backs = [call for call in (state / "calls").read_text().splitlines() if "apply --filename" in call]
    assert len(backs) == 2  # the service and the nightly job


def test_one_whose_cluster_never_comes_goes_back(state: Path) -> None:
    (state / "before").write_text("registry.example:5000/raybid:1")
    (state / "image").write_text("registry.example:5000/raybid:1")
    (state / "stuck").touch()
    with server(Answers([200], 204)) as url:  # the former cluster answers all the while
        done = deploy(state, url)
    assert done.returncode == 1
    assert "does not serve after 2 s" in done.stderr and "taken back" in done.stderr


def test_one_that_is_refused_goes_back(state: Path) -> None:
    (state / "before").write_text("registry.example:5000/raybid:1")
    (state / "refuses").touch()
    with server(Answers([200], 204)) as url:
        done = deploy(state, url)
    assert done.returncode == 1 and "taken back" in done.stderr


def test_a_first_one_that_fails_stays_to_be_looked_at(state: Path) -> None:
    with server(Answers([200], 500)) as url:
        done = deploy(state, url)
    assert done.returncode == 1 and "nothing to go back to" in done.stderr


@pytest.mark.parametrize(
    "image",
    ["raybid", "registry.example:5000/raybid", "raybid@sha256:0", "raybid:", "raybid@", ":2", "raybid:2@b"],
)
def test_an_image_without_a_tag_or_digest_is_refused(state: Path, image: str) -> None:
    done = deploy(state, "http://127.0.0.1:9", image)
    assert done.returncode == 2 and ("tag" in done.stderr or "digest" in done.stderr)
    assert not (state / "calls").exists()


@pytest.mark.parametrize("tag", ["", ":2"])
def test_a_digest_is_kept_to_the_last(state: Path, tag: str) -> None:
    digest = f"sha256:{'0a' * 32}"
    with server(Answers([200], 204)) as url:
        done = deploy(state, url, f"registry.example:5000/raybid{tag}@{digest}")
    assert done.returncode == 0, done.stderr
    assert (state / "applied").read_text() == f"registry.example:5000/raybid@{digest}"
    assert f"production has registry.example:5000/raybid@{digest}" in done.stdout


_SECRETS = r"""#!/bin/bash
# A kubectl that keeps secrets as folders of files.
state={state}
echo "$@" >>"$state/calls"
case "$*" in
  *"create namespace"* | "apply "*) ;;
  *"create secret generic"*)
    shift 5
    mkdir "$state/$1" && name=$1 && shift
    for part in "$@"; do part=${{part#--from-file=}}; cp "${{part#*=}}" "$state/$name/${{part%%=*}}"; done ;;
  *"get secret "*jsonpath*) base64 -w 0 "$state/$5/password" ;;
  *"get secret "*) [ -d "$state/$5" ] ;;
esac
"""


def test_secrets_are_made_once_and_fit_together(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").write_text(_SECRETS.format(state=tmp_path))
    (tmp_path / "bin" / "kubectl").chmod(0o755)

    def secrets() -> dict[str, str]:
        done = run("secrets.sh", path=tmp_path / "bin")
        assert done.returncode == 0, done.stderr
        assert "raybid-tls is missing" in done.stdout
        return {f"{path.parent.name}/{path.name}": path.read_text() for path in tmp_path.glob("raybid-*/*")}

    first = secrets()
    ledger = first["raybid-ledger/password"]
    assert first["raybid-settings/RAYBID_REDIS_URL"] == f"redis://:{ledger}@raybid-ledger:6379/0"
    assert first["raybid-catalog/password"] in first["raybid-settings/RAYBID_DATABASE_URL"]
    assert {"raybid-gcs/password", "raybid-ray-token/auth_token", "raybid-settings/RAYBID_ADMIN_KEY"} <= set(first)
    values = [value for name, value in first.items() if not name.endswith("_URL")]
    assert len(set(values)) == len(values) and min(map(len, values)) >= 40
    assert secrets() == first
    for path in (tmp_path / "raybid-settings").iterdir():
        path.unlink()
    (tmp_path / "raybid-settings").rmdir()
    assert secrets()["raybid-settings/RAYBID_REDIS_URL"] == first["raybid-settings/RAYBID_REDIS_URL"]
    calls = (tmp_path / "calls").read_text()
    assert not any(value in calls for value in first.values())  # nothing secret on a command line
