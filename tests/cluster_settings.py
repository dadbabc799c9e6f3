"""The settings of a cluster of several hosts, and what is wrong about each in turn."""

from __future__ import annotations

from pathlib import Path

RIGHT = {
    "RAYBID_REDIS_URL": "redis://:a-redis-password-1@10.9.0.2:6379/0",
    "RAYBID_DATABASE_URL": "postgresql://raybid:pw@10.9.0.2:5432/raybid",
    "RAYBID_PUBLIC_URL": "https://bid.example.com",
    "RAYBID_ADMIN_KEY": "ak-8f2b1d90c4e7a6354",
    "RAYBID_NOTICE_SECRET": "ns-1c9e7b50d2f8a6431",
    "RAYBID_USER_SECRET": "us-5d2e8c70b1f9a4637",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "rt-7a1c5e90f3b8d2466",
}
"""Settings that hold on every host, but for the store, which is a folder of each test's."""

WRONG = (
    ("RAYBID_REDIS_URL", None, "RAYBID_REDIS_URL is not set"),
    ("RAYBID_REDIS_URL", "redis://127.0.0.1:6379/0", "RAYBID_REDIS_URL leads to 127.0.0.1"),
    ("RAYBID_REDIS_URL", "redis://localhost:6379/0", "RAYBID_REDIS_URL leads to localhost"),
    ("RAYBID_REDIS_URL", "redis://[::1]:6379/0", "RAYBID_REDIS_URL leads to ::1"),
    ("RAYBID_REDIS_URL", "unix:///run/redis.sock", "RAYBID_REDIS_URL leads to a socket"),
    ("RAYBID_DATABASE_URL", None, "RAYBID_DATABASE_URL is not set"),
    ("RAYBID_DATABASE_URL", "sqlite:////mnt/raybid/catalog.sqlite", "RAYBID_DATABASE_URL is a SQLite file"),
    ("RAYBID_DATABASE_URL", "postgresql://raybid@127.0.0.1/raybid", "RAYBID_DATABASE_URL leads to 127.0.0.1"),
    ("RAYBID_DATABASE_URL", "postgresql://raybid@/raybid?host=/run/postgresql", "RAYBID_DATABASE_URL leads to /run"),
    ("RAYBID_PUBLIC_URL", None, "RAYBID_PUBLIC_URL is not set"),
    ("RAYBID_PUBLIC_URL", "http://127.0.0.1:8000", "RAYBID_PUBLIC_URL leads to 127.0.0.1"),
    ("RAYBID_PUBLIC_URL", "http://0.0.0.0:8000", "RAYBID_PUBLIC_URL leads to 0.0.0.0"),
    ("RAYBID_ADMIN_KEY", None, "RAYBID_ADMIN_KEY is not set"),
    ("RAYBID_NOTICE_SECRET", None, "RAYBID_NOTICE_SECRET is not set"),
    ("RAYBID_USER_SECRET", None, "RAYBID_USER_SECRET is not set"),
    ("RAYBID_STORE", None, "RAYBID_STORE is not set"),
    (
        "RAYBID_STORE",
        "s3://raybid/a?endpoint_override=http://127.0.0.1:8333",
        "RAYBID_STORE's endpoint is on 127.0.0.1",
    ),
    ("RAY_AUTH_MODE", "disabled", "RAY_AUTH_MODE is disabled"),
    ("RAY_AUTH_TOKEN", None, "RAY_AUTH_TOKEN is not set"),
    ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 keeps Ray on the loopback address"),
    ("RAYBID_REQUIRE_EXCHANGE_KEY", "false", "RAYBID_REQUIRE_EXCHANGE_KEY is false"),
    ("RAYBID_REQUIRE_REPORT_KEY", "false", "RAYBID_REQUIRE_REPORT_KEY is false"),
)
"""A variable, what it is set to (`None`: nothing), and how the line begins that refuses it."""


def environment(folder: Path) -> dict[str, str]:
    """Return the right settings with a store and a `var` in a folder."""
    return RIGHT | {"RAYBID_STORE": str(folder / "store"), "RAYBID_VAR_DIR": str(folder / "var")}


def spoilt(folder: Path, name: str, value: str | None) -> dict[str, str]:
    """Return the right settings but for one, which is another or not set."""
    told = environment(folder) | {name: value or ""}
    return told if value is not None else {key: one for key, one in told.items() if key != name}
