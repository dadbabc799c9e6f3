"""Keys of record: kept by digest, good until revoked, and known to every replica soon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from rtb.catalog import Catalog, Key, KeyExists, KeyRing, KeyUnknown, configured_keys, digest_of
from rtb.runtime.settings import Settings

_SECRET = "a secret of the tests"


def _create(catalog: Catalog, secret: str = _SECRET, per_minute: int | None = None) -> Key:
    return catalog.keys.create("reports", ("report",), digest_of(secret), "anna", per_minute=per_minute)


def test_a_key_is_found_by_its_secret_until_it_is_revoked(catalog: Catalog):
    ring = KeyRing(catalog.keys)
    key = _create(catalog, per_minute=5)
    assert ring.find(_SECRET) is None
    ring.refresh()
    assert ring.find(_SECRET) == key == catalog.keys.all()[0]._replace(created=key.created)
    assert ring.find("x") is None
    assert [key.allows(scope) for scope in ("report", "admin")] == [True, False]
    revoked = catalog.keys.revoke(key.id)
    assert revoked.revoked is not None
    assert ring.find(_SECRET) is not None  # until it looks again
    ring.refresh()
    assert ring.find(_SECRET) is None


def test_another_process_sees_it_too(catalog: Catalog, url: str):
    other = Catalog(url)
    ring = KeyRing(other.keys)
    ring.refresh()
    key = _create(catalog)
    ring.refresh()
    assert ring.find(_SECRET) is not None
    catalog.keys.revoke(key.id)
    ring.refresh()
    assert ring.find(_SECRET) is None
    other.close()


def test_the_secret_is_nowhere_in_the_database(catalog: Catalog, url: str):
    _create(catalog)
    engine = create_engine(url)
    with engine.connect() as connection:
        tables = inspect(engine).get_table_names()
        held = [[list(map(str, row)) for row in connection.execute(text(f'SELECT * FROM "{name}"'))] for name in tables]
    engine.dispose()
    assert digest_of(_SECRET) in json.dumps(held)
    assert _SECRET not in json.dumps(held)


def test_revoking_again_changes_nothing_and_what_is_not_there_is_said(catalog: Catalog):
    key = _create(catalog)
    first, revision = catalog.keys.revoke(key.id), catalog.keys.revision()
    assert catalog.keys.revoke(key.id).revoked == pytest.approx(first.revoked, abs=1e-3)
    assert catalog.keys.revision() == revision == 2
    for unknown in ("", "nobody", "a\0b", "\U0001f4b6"):
        with pytest.raises(KeyUnknown):
            catalog.keys.revoke(unknown)


def test_a_secret_is_taken_once_even_when_it_is_revoked(catalog: Catalog):
    catalog.keys.revoke(_create(catalog).id)
    with pytest.raises(KeyExists):
        _create(catalog)


def test_an_administrator_may_do_everything():
    assert [Key("1", "", ("admin",), "").allows(scope) for scope in ("exchange", "report", "admin")] == [True] * 3
    assert [Key("1", "", ("exchange",), "").allows(scope) for scope in ("exchange", "report", "admin")] == [
        True,
        False,
        False,
    ]


def test_keys_of_the_settings_stand_and_the_first_administrators_is_made(catalog: Catalog, tmp_path: Path):
    settings = Settings(var_dir=tmp_path, exchange_keys="one of the exchanges, two of the exchanges,,")
    ring = KeyRing(catalog.keys, configured_keys(settings))
    kept = tmp_path / "secrets" / "admin_key"
    assert kept.stat().st_mode & 0o777 == 0o600
    ring.refresh()
    found = [ring.find(secret) for secret in (kept.read_text(), "two of the exchanges", "")]
    assert [key and key.scopes for key in found] == [("admin",), ("exchange",), None]


@pytest.mark.parametrize("secret", ["", "x" * 10_000_000, "\0", "\ud800", "é"])
def test_what_is_no_key_is_no_trouble(catalog: Catalog, secret: str):
    assert KeyRing(catalog.keys).find(secret) is None
