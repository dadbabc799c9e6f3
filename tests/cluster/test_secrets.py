"""`cluster/secrets.sh`: what compose mounts, readable by one user each."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from raybid.local.environment import ROOT
from rtb.runtime.settings import Settings
from tests.support import require, require_package

SCRIPT = ROOT / "cluster" / "secrets.sh"


def make(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    require_package(shutil.which("openssl"), "openssl")
    command = [str(SCRIPT), "--folder", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_only_the_owner_reads_a_secret(tmp_path: Path) -> None:
    assert make(tmp_path / "s", "--keep-owner").returncode == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "s").iterdir()}
    assert modes.pop("ca_cert") == 0o644  # no secret
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700


def test_each_belongs_to_who_reads_it(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "root, which may give files away")
    assert make(tmp_path / "s").returncode == 0
    owners = {path.name: path.stat().st_uid for path in (tmp_path / "s").iterdir()}
    assert {owners[name] for name in owners if name.startswith(("raybid_", "ray_"))} == {10001}
    assert (owners["redis_auth"], owners["postgres_password"], owners["grafana_password"]) == (999, 999, 472)
    assert (owners["tls_key"], owners["ca_key"]) == (101, 0)


def test_again_it_changes_nothing_that_is_there(tmp_path: Path) -> None:
    make(tmp_path / "s", "--keep-owner")
    before = contents(tmp_path / "s")
    make(tmp_path / "s", "--keep-owner")
    assert contents(tmp_path / "s") == before


def test_a_secret_that_was_removed_is_made_anew_everywhere(tmp_path: Path) -> None:
    make(tmp_path / "s", "--keep-owner")
    before = contents(tmp_path / "s")
    (tmp_path / "s" / "redis_password").unlink()
    make(tmp_path / "s", "--keep-owner")
    after = contents(tmp_path / "s")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"redis_password", "redis_auth", "raybid_redis_url"}
    assert after["redis_password"] in after["redis_auth"]
    assert after["redis_password"] in after["raybid_redis_url"]


def test_raybid_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "s", "--keep-owner")
    monkeypatch.setenv("RAYBID_SECRETS_DIR", str(tmp_path / "s"))
    settings = Settings()
    made = contents(tmp_path / "s")
    assert settings.resolve_secret("admin_key") == made["raybid_admin_key"]
    assert settings.ledger_url == made["raybid_redis_url"].strip()
    assert settings.catalog_url == made["raybid_database_url"].strip()


def test_the_certificate_is_of_the_domain(tmp_path: Path) -> None:
    make(tmp_path / "s", "--keep-owner", "--domain", "bid.example.com")
    context = ssl.create_default_context(cafile=str(tmp_path / "s" / "ca_cert"))
    assert context.cert_store_stats()["x509_ca"] == 1
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", str(tmp_path / "s" / "tls_cert")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "DNS:bid.example.com" in text


def test_half_of_a_pair_of_ones_own_is_told(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "tls_cert").write_text("a certificate")
    done = make(tmp_path / "s", "--keep-owner")
    assert done.returncode == 1
    assert "tls_key is missing" in done.stderr


def test_an_option_that_there_is_not_is_told(tmp_path: Path) -> None:
    done = make(tmp_path / "s", "--keep-owners")
    assert done.returncode == 2
    assert "--keep-owners" in done.stderr
