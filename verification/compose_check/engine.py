"""Podman with its images, containers, volumes and networks in folders of their own, in namespaces of its own.

All processes that it starts are in one process namespace and end with its first process; bridges, addresses and rules
of the firewall are in a network namespace, mounts in a mount namespace. What remains are files in these folders, and
empty control groups.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

INIT = "/usr/bin/catatonit"
"""The first process of containers, which reaps orphans."""

TOOLS = {
    "podman": "podman",
    "runc": "runc",
    "conmon": "conmon",
    "iptables": "iptables",
    INIT: "catatonit",
    "mmdebstrap": "mmdebstrap",
    "openssl": "openssl",
    "ip": "iproute2",
    "unshare": "util-linux",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}
"""The Debian package that brings each program."""

_PATHS = ("/run/netns", "/run/containers", "/run/libpod", "/var/lib/containers")
"""Where podman writes whatever its configuration says."""
_INSIDE = """
for folder in {paths}; do mkdir -p "$folder"; mount -t tmpfs tmpfs "$folder"; done
ip link set lo up
exec {init} -- "$@"
"""
_CONTAINERS = """
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
helper_binaries_dir = ["/usr/libexec/podman", "/usr/lib/podman"]
static_dir = "{state}/libpod"
tmp_dir = "{state}/tmp"
volume_path = "{state}/volumes"
[network]
network_backend = "netavark"
network_config_dir = "{state}/networks"
[containers]
init_path = "{init}"
"""
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{root}"
runroot = "{state}/run"
[storage.options]
additionalimagestores = [{others}]
"""


def missing() -> list[str]:
    """Return the Debian packages that are missing here."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return sorted({package for tool, package in TOOLS.items() if shutil.which(tool, path=path) is None})


def configure(state: Path, root: Path, others: Sequence[Path] = ()) -> dict[str, str]:
    """Write a configuration of podman, and return the environment that makes podman use it.

    Args:
        state: folder for everything but images and containers.
        root: folder for images and containers.
        others: further folders of images, which are only read.
    """
    state.mkdir(parents=True, exist_ok=True)
    named = ", ".join(f'"{one}"' for one in others)
    (state / "containers.conf").write_text(_CONTAINERS.format(state=state, init=INIT))
    (state / "storage.conf").write_text(_STORAGE.format(state=state, root=root, others=named))
    return {
        **os.environ,
        "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        "CONTAINERS_CONF": str(state / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(state / "storage.conf"),
        "DISABLE_HC_SYSTEMD": "true",  # the check runs health checks itself: there may be no systemd
    }


def isolated(command: Sequence[str], *, own_network: bool) -> list[str]:
    """Return a command that runs this one in namespaces of its own, below a first process that reaps orphans."""
    spaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *(["--net"] if own_network else [])]
    return ["unshare", *spaces, "sh", "-euc", _INSIDE.format(paths=" ".join(_PATHS), init=INIT), "sh", *command]


def remove(state: Path) -> None:
    """Remove a state folder and the empty control groups that podman left behind."""
    shutil.rmtree(state, ignore_errors=True)
    for parent in Path("/sys/fs/cgroup").glob("**/libpod_parent"):
        for folder, _, _ in os.walk(parent, topdown=False):
            with suppress(OSError):  # in use by another podman
                Path(folder).rmdir()
