"""`raybid` against a real platform: what it starts, shows, changes, and what it says when that cannot be."""

from __future__ import annotations

import json
import socket

import httpx
import pytest

from tests.front.conftest import Front

pytestmark = pytest.mark.cluster


def test_status_says_what_the_api_says(front: Front) -> None:
    told = front.json("status")
    stats = httpx.get(f"{front.url}/stats", headers=front.settings.key_headers("report_key")).json()
    assert told["can_bid"] is True
    assert told["ledger"] == {**stats["ledger"], **{name: told["ledger"][name] for name in _MOVING}}
    assert told["health"]["campaigns"] >= 20
    assert f"{front.url}: ok" in front.raybid("status").stdout


_MOVING = ("available_micros", "leased_micros", "reserved_micros", "spent_micros")


def test_a_bid_has_the_price_that_the_platform_counts(front: Front) -> None:
    before = front.json("status")["bids"]
    slot = ("--page", "https://news-001.example/today", "--geo", "USA/CA", "--device", "phone", "--floor", "0.01")
    answer = front.json("bid", *slot)
    assert answer["bid"] is True
    assert float(answer["price"]) >= 0.01
    assert front.json("status")["bids"] == before + 1
    shown = front.raybid("bid", *slot).stdout
    assert "CPM" in shown
    assert "camp-" in shown


def test_no_bid_is_an_answer_with_its_reason(front: Front) -> None:
    done = front.raybid("bid", "--w", "7", "--h", "7")
    assert done.returncode == 0
    assert "no bid (no_creative)" in done.stdout


def test_openrtb_comes_from_a_file_and_204_is_null(front: Front, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("requests") / "request.json"
    imp = {"id": "1", "banner": {"w": 300, "h": 250}}
    path.write_text(json.dumps({"id": "r", "at": 2, "imp": [imp], "site": {"domain": "news-001.example"}}))
    assert front.json("bid", "--openrtb", str(path))["id"] == "r"
    path.write_text(
        json.dumps({"id": "r", "at": 2, "imp": [{**imp, "bidfloor": 10_000}], "site": {"domain": "x.example"}})
    )
    assert front.json("bid", "--openrtb", str(path)) is None
    path.write_text("{")
    refused = front.raybid("bid", "--openrtb", str(path))
    assert refused.returncode == 1
    assert "malformed" in refused.stderr


def test_a_campaign_from_its_creation_to_its_end(front: Front) -> None:
    made = front.json("campaign", "create", "front", "--budget", "20", "--country", "USA")
    assert made["budget"]["total_micros"] == 20_000_000
    again = front.raybid("campaign", "create", "front")
    assert again.returncode == 1
    assert again.stderr.startswith("raybid: Conflict:")
    assert len(again.stderr.strip().splitlines()) == 1
    raised = front.json("campaign", "top-up", "front", "1.5")
    assert raised["budget"]["total_micros"] == 21_500_000
    assert front.json("campaign", "pause", "front")["status"] == "paused"
    assert front.json("campaign", "resume", "front")["status"] == "active"
    assert "21.50" in front.raybid("campaign", "list", "--search", "front").stdout
    asked = front.raybid("campaign", "archive", "front")  # nobody there to say yes
    assert asked.returncode != 0
    assert front.json("campaign", "show", "front")["status"] == "active"
    assert front.json("campaign", "archive", "front", "--yes")["status"] == "archived"
    changes = front.json("campaign", "history", "front")
    assert changes[0]["action"] == "create"
    assert len(changes) == 5


def test_replay_is_the_pipeline_itself(front: Front) -> None:
    done = front.raybid("replay", "--url", front.url, "--count", "50", "--rate", "100")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["requests"] == 50


def test_a_bid_just_made_is_explained_and_its_price_comes_out_again(front: Front) -> None:
    answer = front.json("bid", "--page", "https://news-001.example/today", "--geo", "USA/CA", "--device", "phone")
    told = front.json("explain", answer["bid_id"])
    assert told["equal"] is True
    assert told["price"]["sent"]["cpm"] == answer["price"]
    shown = front.raybid("explain", answer["bid_id"])
    assert shown.returncode == 0, shown.stderr
    assert f"bid {told['price_micros']} micros" in shown.stdout
    assert "recomputed to the same micro" in shown.stdout
    sample = front.raybid("explain", "--sample", "20")
    assert sample.returncode == 0, sample.stderr
    figures = json.loads(sample.stdout.splitlines()[-1])
    assert figures["sampled"] == figures["equal"] >= 1


def test_explain_of_an_unknown_bid_says_so(front: Front) -> None:
    done = front.raybid("explain", "0000000000000000-1")
    assert done.returncode == 1
    assert done.stderr.startswith("raybid: Not Found")


def test_a_wrong_key_is_told_how_to_give_another(front: Front) -> None:
    done = front.raybid("campaign", "list", "--key", "wrong")
    assert done.returncode == 1
    assert "--key" in done.stderr


def test_a_second_one_is_refused_and_a_taken_port_named(front: Front) -> None:
    second = front.raybid("up", "--detach")
    assert second.returncode == 1
    assert "runs on" in second.stderr
    assert "raybid down" in second.stderr
    elsewhere = Front({**front.env, "RAYBID_VAR_DIR": front.env["RAYBID_VAR_DIR"] + "2"}, front.settings)
    taken = elsewhere.raybid("up", "--detach")
    assert taken.returncode == 1
    assert "RAYBID_HTTP_PORT" in taken.stderr
    not_its_own = elsewhere.raybid("down")
    assert not_its_own.returncode == 1
    assert "was not started by" in not_its_own.stderr


def test_where_nothing_answers(front: Front) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # not listening
        url = f"http://127.0.0.1:{holder.getsockname()[1]}"
        for words in (("status",), ("bid",), ("campaign", "list"), ("explain", "b")):
            done = front.raybid(*words, "--url", url)
            assert done.returncode == 3, words
            assert url in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
