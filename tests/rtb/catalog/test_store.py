"""Campaigns of record: one contract, in a real SQLite file and in a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import msgspec
import psycopg
import pytest
from sqlalchemy import make_url

from raybid.local.postgres import PostgresCluster
from rtb.campaigns.campaign import Targeting
from rtb.catalog import CampaignExists, Catalog, CatalogError
from tests.rtb.builders import make_campaign
from tests.rtb.catalog.conftest import NewUrl


def test_a_new_catalog_is_empty(catalog: Catalog):
    assert catalog.all() == []
    assert catalog.revision() == 0
    assert catalog.get("spring") is None


def test_what_was_added_is_there(catalog: Catalog):
    before = time.time()
    added = catalog.add(make_campaign("spring", targeting=Targeting(countries=("DEU",), hours=(0, 167))))
    assert before <= added.created <= time.time()
    read = catalog.get("spring")
    assert read is not None
    assert read.campaign == added.campaign
    assert read.number == added.number
    assert read.created == pytest.approx(added.created, abs=1e-3)


def test_a_number_that_the_ledger_has_no_room_for_is_refused(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rtb.catalog.store.MOST_CAMPAIGNS", 1)
    catalog.add(make_campaign("spring"))
    with pytest.raises(CatalogError, match="no more"):
        catalog.add(make_campaign("autumn"))
    assert [entry.campaign.id for entry in catalog.all()] == ["spring"]


def test_what_was_added_is_there_after_a_restart(catalog: Catalog, url: str):
    added = catalog.add(make_campaign("spring"))
    again = Catalog(url)
    assert [entry.campaign for entry in again.all()] == [added.campaign]
    assert again.add(make_campaign("summer")).number > added.number
    again.close()


def test_many_are_added_together_or_none_of_them(catalog: Catalog):
    added = catalog.add_all([make_campaign(name) for name in ("spring", "autumn")], "anna")
    assert catalog.all() == added
    assert [change.actor for entry in added for change in catalog.history(entry.campaign.id)] == ["anna", "anna"]
    with pytest.raises(CampaignExists):
        catalog.add_all([make_campaign(name) for name in ("winter", "spring")])
    assert len(catalog.all()) == 2


def test_all_come_in_the_order_of_their_numbers(catalog: Catalog):
    names = ["spring", "autumn", "Winter", "0"]
    added = [catalog.add(make_campaign(name)) for name in names]
    assert [entry.campaign.id for entry in catalog.all()] == names
    assert [entry.number for entry in catalog.all()] == sorted({entry.number for entry in added})
    assert catalog.revision() == 4


def test_an_id_is_taken_once_and_the_first_campaign_stays(catalog: Catalog):
    catalog.add(make_campaign("spring", value=1))
    with pytest.raises(CampaignExists, match="'spring'"):
        catalog.add(make_campaign("spring", value=2))
    [entry] = catalog.all()
    assert entry.campaign.goal.value_micros == 1


def test_ids_differ_by_case(catalog: Catalog):
    catalog.add(make_campaign("spring"))
    catalog.add(make_campaign("SPRING"))
    assert len(catalog.all()) == 2


@pytest.mark.parametrize(
    "text",
    ["W\u00fcrste", "\u6625\u306e\u30bb\u30fc\u30eb", "\U0001f4b6 \u202e", "'; DROP TABLE campaigns; --", 'a "b"\\'],
)
def test_any_text_comes_back_as_it_was(catalog: Catalog, text: str):
    catalog.add(msgspec.structs.replace(make_campaign("spring", adomain=(text,)), name=text))
    [entry] = catalog.all()
    assert (entry.campaign.name, entry.campaign.adomain) == (text, (text,))


def test_another_process_s_campaigns_are_seen(catalog: Catalog, url: str):
    other = Catalog(url)
    other.add(make_campaign("spring"))
    assert (len(catalog.all()), catalog.revision()) == (1, 1)
    with pytest.raises(CampaignExists):
        catalog.add(make_campaign("spring"))
    other.close()


def test_a_fresh_database_can_be_opened_by_many_at_the_same_time(new_url: NewUrl):
    together = 8
    for _ in range(4):
        url = new_url()
        barrier = Barrier(together)

        def open_and_add(number: int, url: str = url, barrier: Barrier = barrier) -> int:
            barrier.wait()
            catalog = Catalog(url)
            entry = catalog.add(make_campaign(f"c{number}"))
            catalog.close()
            return entry.number

        with ThreadPoolExecutor(together) as pool:
            numbers = list(pool.map(open_and_add, range(together)))
        assert len(set(numbers)) == together


@pytest.mark.slow
def test_texts_come_back_from_a_database_without_an_encoding(cluster: PostgresCluster):
    """A server that was set up on a machine without a locale has such ones, and sends bytes unless it is asked."""
    url = make_url(cluster.new_database())
    with psycopg.connect(url.render_as_string(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII'")
    catalog = Catalog(url.set(database="ascii").render_as_string())
    catalog.add(msgspec.structs.replace(make_campaign(), name="Frühling"))
    (entry,) = catalog.all()
    catalog.close()
    assert entry.campaign.name == "Frühling"


def test_two_processes_can_open_a_fresh_database(url: str):
    code = f"""
import sys
from rtb.catalog import Catalog
from tests.rtb.builders import make_campaign
print("ready", flush=True)
sys.stdin.readline()
Catalog({url!r}).add(make_campaign(sys.argv[1]))
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("spring", "summer")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    catalog = Catalog(url)
    assert {entry.campaign.id for entry in catalog.all()} == {"spring", "summer"}
    catalog.close()


@pytest.mark.parametrize(
    "url",
    [
        "not a url",
        "",
        "nosuchdatabase://host/db",
        "sqlite+nosuchdriver:///file",
        "oracle://user:hunter2@127.0.0.1:1/db",  # its driver is none of our dependencies
        "postgresql://user:hunter2@127.0.0.1:1/db",  # nobody listens there
    ],
)
def test_a_url_of_no_database_is_a_catalog_error_that_keeps_the_password(url: str):
    with pytest.raises(CatalogError) as caught:
        Catalog(url)
    assert "hunter2" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_a_catalog_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="cannot be opened"):
        Catalog(f"sqlite:///{tmp_path}/file/catalog.sqlite")


def test_a_file_of_something_else_is_a_catalog_error(tmp_path: Path):
    (tmp_path / "file").write_text("this is no database at all" * 100)
    with pytest.raises(CatalogError, match="not a database"):
        Catalog(f"sqlite:///{tmp_path}/file")


def test_a_database_that_is_lost_later_is_a_catalog_error(tmp_path: Path):
    catalog = Catalog(f"sqlite:///{tmp_path}/catalog.sqlite")
    catalog.close()
    (tmp_path / "catalog.sqlite").write_text("this is no database at all" * 100)
    for call in (catalog.all, catalog.revision, lambda: catalog.get("spring"), lambda: catalog.add(make_campaign())):
        with pytest.raises(CatalogError, match="does not answer"):
            call()
    catalog.close()
