"""Build the image without Docker, running the Dockerfile's steps on a bare Debian, and test it.

    make image-check            # some minutes; root, debootstrap, and pip's packages
    make image-check KEEP=1     # what debootstrap made and the last stage stay in var/image-check

debootstrap's Debian with its Python stands in for `python:3.11-slim-bookworm`. Each stage is a folder, each RUN a
chroot into it with this machine's pip settings. Finally the last stage's entry point runs as its user, with its root
mounted read-only, in a network of its own; its `deploy` trains and deploys, its health check runs, one bid is made. The
last line is one JSON object; exit code 1 if something fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from verification.image_check.builder import Builder, Image, StepFailed
from verification.image_check.dockerfile import DockerfileError
from verification.image_check.ignore import Context
from verification.image_check.roots import BareDebian, Chroot, Container

ROOT = Path(__file__).resolve().parents[2]
_HEALTH_SECONDS = 120.0
_DEPLOY_SECONDS = 420.0


def main() -> int:
    """Build, run, bid; return 1 if something fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dockerfile", type=Path, default=ROOT / "cluster" / "docker" / "Dockerfile")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "image-check", help="folder for the roots: 5 GB")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--keep", action="store_true", help="keep the last stage's root")
    given = parser.parse_args()
    if missing := _missing():
        say(f"image-check: {missing}")
        return 1
    result: dict[str, Any] = {"steps": 0, "failed": 0, "size_mb": 0, "bid": ""}
    stages = given.folder.resolve() / "stages"
    shutil.rmtree(stages, ignore_errors=True)
    stages.mkdir(parents=True)
    try:
        _check(given, stages, result)
    except (StepFailed, DockerfileError, OSError, subprocess.SubprocessError) as error:
        result["failed"] = 1
        say(f"image-check: {error}")
    if not given.keep:
        shutil.rmtree(stages, ignore_errors=True)
    sys.stdout.write(json.dumps(result) + "\n")
    return int(bool(result["failed"]) or result["bid"] != "200")


def _check(given: argparse.Namespace, stages: Path, result: dict[str, Any]) -> None:
    arguments = dict(item.partition("=")[::2] for item in given.build_arg)
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    builder = Builder(
        given.dockerfile.read_text(),
        Context(ROOT, rules),
        arguments,
        base=BareDebian(given.folder.resolve() / "debian"),
        run=Chroot(),
        folder=stages,
        say=say,
    )
    try:
        image = builder.build()
    finally:
        result["steps"] = builder.steps
    result["size_mb"] = _megabytes(image.root)
    result["user"] = image.user
    result |= _run(image, given.folder.resolve())


def _run(image: Image, folder: Path) -> dict[str, Any]:
    """Start it, deploy, check its health, bid.

    Raises:
        StepFailed: one of these fails.
    """
    volume, log = folder / "volume", folder / "head.log"
    shutil.rmtree(volume, ignore_errors=True)
    volume.mkdir()
    user, _, group = image.user.partition(":")
    os.chown(volume, int(user), int(group))
    log.unlink(missing_ok=True)
    local = {"RAYBID_NODE_IP": "127.0.0.1", "RAYBID_HTTP_HOST": "127.0.0.1", "RAYBID_CPUS": "2"}
    say(f"starting {' '.join([*image.entrypoint, *image.command])} as {image.user}, its root read-only")
    with Container(image, volume, local, log).running() as container:
        _await_health(container, image, log)
        _expect(container, [*_entry(image), "deploy"], "deploy", _DEPLOY_SECONDS)
        if container.execute(["touch", "/app/written"]).returncode == 0:
            raise StepFailed("the root is writable")
        said = _expect(container, ["python", "-"], "bid", 120.0, (Path(__file__).parent / "bid.py").read_text())
        owner = container.execute(["id", "-u"]).stdout.strip()
    shutil.rmtree(volume)
    return {"bid": said.strip().splitlines()[-1], "uid": int(owner)}


def _entry(image: Image) -> list[str]:
    """Return the entry point's program, without the part that only a first process needs."""
    return image.entrypoint[image.entrypoint.index("--") + 1 :] if "--" in image.entrypoint else image.entrypoint


def _await_health(container: Container, image: Image, log: Path) -> None:
    deadline = time.monotonic() + _HEALTH_SECONDS
    while time.monotonic() < deadline:
        if container.ended:
            lines = log.read_text(errors="replace").strip().splitlines()
            raise StepFailed(f"it exited: {lines[-1] if lines else 'no output'} (full log: {log})")
        time.sleep(2.0)
        try:
            if container.execute(image.health, seconds=10.0).returncode == 0:
                say("its health check is good")
                return
        except (subprocess.TimeoutExpired, IndexError, OSError):  # not up yet
            continue
    raise StepFailed(f"its health check fails after {_HEALTH_SECONDS:.0f} s: see {log}")


def _expect(container: Container, command: list[str], what: str, seconds: float, stdin: str = "") -> str:
    say(f"{what} in it")
    done = container.execute(command, stdin, seconds)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-12:]
        raise StepFailed(f"{what} failed with {done.returncode}:\n" + "\n".join(lines))
    return done.stdout


def _missing() -> str:
    if os.geteuid() != 0:
        return "it needs root, for chroot and namespaces"
    tools = [tool for tool in ("debootstrap", "unshare", "nsenter", "chroot", "ip") if shutil.which(tool) is None]
    return f"install {', '.join(tools)} (Debian: debootstrap util-linux iproute2)" if tools else ""


def _megabytes(root: Path) -> int:
    done = subprocess.run(["du", "-s", "--block-size=1000000", str(root)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def say(text: str) -> None:
    """Print progress to standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
