"""What must happen once happens once, however often and however concurrently it is asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text

from rtb.catalog import (
    CampaignExists,
    Catalog,
    CatalogEntry,
    IdempotentRequest,
    KeptAnswer,
    Key,
    ReceiptMismatch,
    RequestRepeated,
    digest_of,
)
from tests.rtb.builders import make_campaign


def _once(key: str = "k1", owner: str = "anna", fingerprint: str = "f") -> IdempotentRequest[CatalogEntry]:
    return IdempotentRequest(
        owner, key, fingerprint, lambda entry: KeptAnswer(201, f"version {entry.version}", f'"{entry.version}"')
    )


def test_a_request_that_was_done_is_answered_from_its_receipt(catalog: Catalog):
    assert catalog.receipts.find(_once()) is None
    catalog.add(make_campaign("spring"), "anna", _once())
    for _ in range(2):
        with pytest.raises(RequestRepeated):
            catalog.add(make_campaign("spring"), "anna", _once())
    assert catalog.receipts.find(_once()) == KeptAnswer(201, "version 1", '"1"')
    catalog.receipts.amend(_once(), KeptAnswer(201, "fuller"))
    assert catalog.receipts.find(_once()) == KeptAnswer(201, "fuller")
    assert (catalog.revision(), len(catalog.history("spring"))) == (1, 1)


def test_a_key_used_for_something_else_is_refused(catalog: Catalog):
    catalog.add(make_campaign("spring"), "anna", _once())
    with pytest.raises(RequestRepeated):
        catalog.top_up("spring", 5, "anna", None, _once(fingerprint="other"))
    with pytest.raises(ReceiptMismatch):
        catalog.receipts.find(_once(fingerprint="other"))
    assert catalog.revision() == 1


def test_callers_do_not_share_keys(catalog: Catalog):
    catalog.add(make_campaign("spring"), "anna", _once())
    catalog.add(make_campaign("summer"), "ben", _once(owner="ben"))
    assert catalog.revision() == 2


def test_what_failed_can_be_tried_again_under_the_same_key(catalog: Catalog):
    catalog.add(make_campaign("spring"))
    with pytest.raises(CampaignExists):
        catalog.add(make_campaign("spring"), "anna", _once())
    assert catalog.receipts.find(_once()) is None
    catalog.add(make_campaign("summer"), "anna", _once())


def test_of_many_at_once_one_happens(catalog: Catalog, url: str):
    catalog.add(make_campaign("spring", budget=1))
    other = Catalog(url)  # as another process would

    def top_up(number: int) -> bool:
        try:
            (catalog, other)[number % 2].top_up("spring", 10, "anna", None, _once())
        except RequestRepeated:
            found = catalog.receipts.find(_once())
            assert found is not None
            assert found.body == "version 2"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(top_up, range(16))) == 1
    other.close()
    assert catalog.all()[0].campaign.budget.total_micros == 11


def test_a_receipt_is_kept_for_a_day(catalog: Catalog, url: str):
    catalog.add(make_campaign("spring", budget=1))
    catalog.top_up("spring", 10, "anna", None, _once())
    engine = create_engine(url)
    with engine.begin() as connection:
        before = datetime.now(UTC) - timedelta(hours=24, seconds=1)
        moment = before if engine.dialect.name == "postgresql" else before.strftime("%Y-%m-%d %H:%M:%S.%f")
        connection.execute(text("UPDATE receipts SET at = :at"), {"at": moment})
    engine.dispose()
    assert catalog.receipts.find(_once()) is None
    catalog.top_up("spring", 10, "anna", None, _once())
    assert catalog.all()[0].campaign.budget.total_micros == 21


def test_a_key_is_made_once_too(catalog: Catalog):
    once: IdempotentRequest[Key] = IdempotentRequest("anna", "k", "f", lambda key: KeptAnswer(201, key.id))
    made = catalog.keys.create("x", ("report",), digest_of("x"), "anna", once=once)
    with pytest.raises(RequestRepeated):
        catalog.keys.create("x", ("report",), digest_of("x"), "anna", once=once)
    assert catalog.receipts.find(once) == KeptAnswer(201, made.id)
