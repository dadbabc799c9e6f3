"""Every shell block of the README and of the quickstart, carried out in order as it stands: see `blocks`.

The blocks of the README that start a platform and end it are carried out by the fixture `front`: all tests of this
folder are on that platform. Those of the quickstart that do so are the recipes of the same targets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from raybid.local.environment import ROOT
from tests.front.blocks import BLOCK, QUICKSTART, README, SHORTER, blocks, carry_out, readme
from tests.front.conftest import Front, machine_of

pytestmark = pytest.mark.cluster

PAGES = (README, QUICKSTART)


@pytest.fixture
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Yield a separate machine: what the README has after `make down` starts platforms, too."""
    with machine_of(tmp_path_factory.mktemp("stranger")) as machine:
        yield machine
        machine.raybid("down")


def test_the_readme_does_what_it_says(front: Front) -> None:
    said = "".join(front.said)
    assert "CPM" in said
    assert [len(response["seatbid"]) for response in bids_in(said)] == [1]  # type: ignore[arg-type]


def test_a_run_with_traffic_ends_by_itself_and_the_ledger_agrees(stranger: Front) -> None:
    said = "".join(carry_out(block, stranger) for block in readme()[-1])
    assert stranger.json("down") == {"ended": False}
    run = json.loads(said.strip().splitlines()[-1])
    assert run["errors"] == 0
    assert run["bids"] > 0
    assert run["spend_micros"] == run["ledger_spend_micros"] > 0


def test_the_quickstart_starts_and_ends_what_make_does(front: Front) -> None:
    start, *_, end = blocks(QUICKSTART)
    for block, target in ((start, "up"), (end, "down")):
        *before, last = block.splitlines()
        carry_out("\n".join(before), front)
        recipe = re.escape(last.removeprefix(".venv"))
        assert re.search(rf"^{target}: .*\n\t@\$\(VENV\){recipe}$", (ROOT / "Makefile").read_text(), re.M)


def test_the_quickstart_does_what_it_says(front: Front) -> None:
    said = "".join(carry_out(block, front) for block in blocks(QUICKSTART)[1:-1])
    assert "CPM" in said
    assert len(bids_in(said)) == 1
    assert "recomputed to the same micro" in said
    assert "summer" in said
    assert re.search(r'"requests": [1-9]', said)


def bids_in(said: str) -> list[dict[str, object]]:
    """Return the OpenRTB responses in the output; an answer of curl ends without a new line."""
    starts = [match.start() for match in re.finditer(r'\{"id":"r1"', said)]
    return [json.JSONDecoder().raw_decode(said, start)[0] for start in starts]


def test_the_readme_gets_to_a_bid_within_one_screen() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    first = next(number for number, line in enumerate(lines, 1) if "raybid bid" in line)
    assert first <= 24


def test_what_is_shortened_is_still_there() -> None:
    whole = "".join("".join(blocks(page)) for page in PAGES)
    assert all(long in whole for long in SHORTER)


@pytest.mark.parametrize("page", PAGES)
def test_no_block_escapes(page: str) -> None:
    fences = re.findall(r"^\s*(?:```|~~~)", (ROOT / page).read_text(), re.M)
    assert len(fences) == 2 * len(BLOCK.findall((ROOT / page).read_text()))
    assert len(blocks(page)) >= 4
