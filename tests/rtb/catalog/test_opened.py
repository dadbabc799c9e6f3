"""That the ledger had a campaign's money is kept, and is no change of the campaign."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from rtb.catalog import Catalog, migrate
from tests.rtb.builders import make_campaign


def opened(catalog: Catalog) -> dict[str, bool]:
    return {entry.campaign.id: entry.opened for entry in catalog.all()}


def test_a_new_campaign_was_not_opened(catalog: Catalog):
    assert catalog.add(make_campaign("spring")).opened is False
    assert opened(catalog) == {"spring": False}


def test_a_mark_is_kept_for_those_it_is_made_for(catalog: Catalog, url: str):
    numbers = [catalog.add(make_campaign(name)).number for name in ("spring", "summer", "autumn")]
    catalog.mark_opened([])
    catalog.mark_opened([numbers[0], 999])
    catalog.mark_opened(numbers[:2])
    again = Catalog(url)
    assert opened(again) == {"spring": True, "summer": True, "autumn": False}
    again.close()


def test_a_mark_keeps_its_time(catalog: Catalog, url: str):
    number = catalog.add(make_campaign("spring")).number
    engine, moments = create_engine(url), []
    for _ in range(2):
        catalog.mark_opened([number])
        with engine.connect() as connection:
            moments.append(connection.execute(text("SELECT opened_at FROM campaigns")).scalar_one())
    engine.dispose()
    assert moments[0] is not None
    assert moments[0] == moments[1]


def test_a_mark_is_no_change(catalog: Catalog):
    entry = catalog.add(make_campaign("spring"))
    before = (catalog.revision(), len(catalog.history("spring")))
    catalog.mark_opened([entry.number])
    assert (catalog.revision(), len(catalog.history("spring"))) == before
    assert catalog.change("spring", 1, {"name": "Spring sale"}, "anna").opened
    read = catalog.get("spring")
    assert read is not None
    assert (read.version, read.opened) == (2, True)


def test_many_are_marked_at_once(catalog: Catalog):
    numbers = [catalog.add(make_campaign(f"c{number}")).number for number in range(50)]
    catalog.mark_opened([*numbers, *range(1_000, 40_000)])  # more than a statement of SQLite's takes
    assert set(opened(catalog).values()) == {True}


def test_campaigns_of_a_database_without_marks_have_none(url: str):
    catalog = Catalog(url)
    catalog.add(make_campaign("spring"))
    catalog.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrate._FOLDER))
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    engine.dispose()
    catalog = Catalog(url)
    assert opened(catalog) == {"spring": False}
    catalog.close()
