"""A host that differs from its head is told in what, and the record gives nothing away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.runtime.settings import Settings
from rtb.store import FolderStore
from rtb.store.cluster_record import _EQUAL, differences, write_record
from rtb.store.places import cluster_store
from tests.buckets import Buckets

HEAD = "10.9.0.1"
TOKEN = "rt-7a1c5e90f3b8d2466"
SECRETS = {
    "admin_key": "ak-8f2b1d90c4e7a6354",
    "notice_secret": "ns-1c9e7b50d2f8a6431",
    "user_secret": "us-5d2e8c70b1f9a4637",
}


def settings(folder: Path, **others: Any) -> Settings:
    told: dict[str, Any] = {
        "var_dir": folder / "var",
        "store": str(folder / "store"),
        "redis_url": "redis://:one@10.9.0.2:6379/0",
        "database_url": "postgresql://raybid:one@10.9.0.2/raybid",
        "public_url": "https://bid.example.com",
        **SECRETS,
    }
    return Settings(**(told | others))


def test_a_host_that_is_told_the_same_is_not_different(tmp_path: Path) -> None:
    write_record(settings(tmp_path), TOKEN, HEAD)
    assert differences(settings(tmp_path), TOKEN, HEAD) == []


def test_users_and_passwords_of_places_may_differ(tmp_path: Path) -> None:
    write_record(settings(tmp_path), TOKEN, HEAD)
    other = settings(
        tmp_path,
        redis_url="redis://host:two@10.9.0.2:6379/0",
        database_url="postgresql://other:two@10.9.0.2/raybid",
    )
    assert differences(other, TOKEN, HEAD) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("admin_key", "ak-another-8f2b1d90c4"),
        ("notice_secret", "ns-another-1c9e7b50d2"),
        ("notice_secrets_previous", "ns-1c9e7b50d2f8a6431"),
        ("user_secret", "us-another-5d2e8c70b1"),
        ("report_key", "rk-another-5d2e8c70b1"),
        ("redis_url", "redis://:one@10.9.0.3:6379/0"),
        ("redis_url", "redis://:one@10.9.0.2:6379/1"),
        ("database_url", "postgresql://raybid:one@10.9.0.3/raybid"),
        ("public_url", "https://bid.example.org"),
        ("currency", "EUR"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, name: str, value: str) -> None:
    write_record(settings(tmp_path), TOKEN, HEAD)
    (line,) = differences(settings(tmp_path, **{name: value}), TOKEN, HEAD)
    assert line.startswith(f"RAYBID_{name.upper()} is not that of the head at {HEAD}: set it to the same on all hosts")
    assert value not in line


def test_another_token_is_named_alone(tmp_path: Path) -> None:
    write_record(settings(tmp_path), TOKEN, HEAD)
    (line,) = differences(settings(tmp_path, currency="EUR"), "rt-another-7a1c5e90f", HEAD)
    assert line.startswith("RAY_AUTH_TOKEN is not that of the head")


def test_another_folder_is_not_the_heads(tmp_path: Path) -> None:
    write_record(settings(tmp_path), TOKEN, HEAD)
    own = settings(tmp_path, store=str(tmp_path / "own"))
    (line,) = differences(own, TOKEN, HEAD)
    assert line.startswith(f"the store {tmp_path}/own/cluster is not that of the head at {HEAD}")
    assert "RAYBID_STORE" in line


def test_a_host_that_once_was_a_head_does_not_take_its_own_record_for_the_heads(tmp_path: Path) -> None:
    own = settings(tmp_path, store=str(tmp_path / "own"))
    write_record(own, TOKEN, "10.9.0.7")
    assert differences(own, TOKEN, HEAD) != []


def test_a_changed_secret_is_introduced_by_the_head(tmp_path: Path) -> None:
    write_record(settings(tmp_path), TOKEN, HEAD)
    changed = settings(tmp_path, notice_secret="ns-new-1c9e7b50d2f8", notice_secrets_previous=SECRETS["notice_secret"])
    assert len(differences(changed, TOKEN, HEAD)) == 2
    write_record(changed, TOKEN, HEAD)
    assert differences(changed, TOKEN, HEAD) == []
    assert len(differences(settings(tmp_path), TOKEN, HEAD)) == 2


def test_two_clusters_on_a_store_do_not_disturb_each_other(tmp_path: Path) -> None:
    write_record(settings(tmp_path), TOKEN, HEAD)
    write_record(settings(tmp_path, currency="EUR"), TOKEN, "10.9.0.2")
    assert differences(settings(tmp_path), TOKEN, HEAD) == []


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    write_record(settings(tmp_path), TOKEN, HEAD)
    cluster_store(settings(tmp_path)).write(f"{HEAD}.json", b"{")
    (line,) = differences(settings(tmp_path), TOKEN, HEAD)
    assert "is damaged" in line


def test_the_record_holds_no_secret_and_no_digest_twice(tmp_path: Path) -> None:
    store = cluster_store(settings(tmp_path))
    assert isinstance(store, FolderStore)
    write_record(settings(tmp_path), TOKEN, HEAD)
    first = store.read(f"{HEAD}.json").decode()
    write_record(settings(tmp_path), TOKEN, HEAD)
    second = store.read(f"{HEAD}.json").decode()
    assert not [secret for secret in (*SECRETS.values(), TOKEN, "10.9.0.2") if secret in first]
    digests = [set(text.split('"')) for text in (first, second)]
    assert not [one for one in digests[0] & digests[1] if len(one) == 64]


@pytest.mark.slow
def test_a_bucket_holds_it_as_well(tmp_path: Path, bucket_server: Buckets) -> None:
    shared = settings(tmp_path, store=bucket_server.url())
    assert "has no record there" in differences(shared, TOKEN, HEAD)[0]
    write_record(shared, TOKEN, HEAD)
    assert differences(shared, TOKEN, HEAD) == []


@given(changes=st.dictionaries(st.sampled_from(sorted(_EQUAL)), st.integers(0, 3)))
def test_exactly_what_changed_is_told(changes: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("record")
    before = settings(folder)
    after = before.model_copy(update={name: f"changed {number}" for name, number in changes.items()})
    write_record(before, TOKEN, HEAD)
    said = {line.split()[0] for line in differences(after, TOKEN, HEAD)}
    assert said == {f"RAYBID_{name.upper()}" for name in changes}
