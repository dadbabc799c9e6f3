"""Whole replays against a scripted platform: what is counted is what that platform saw."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.replay import app
from rtb.money.micros import cpm_to_micros
from simulation.exchange import ReplayFigures, ReplayOptions, RequestSourceError, Unreachable, run
from tests.fake_platform import FakePlatform, http, no_bid


def request(number: int, imps: int = 1, floor: float = 0.0) -> dict[str, Any]:
    banner = {"w": 300, "h": 250}
    return {"id": f"q{number}", "imp": [{"id": str(i), "banner": banner, "bidfloor": floor} for i in range(imps)]}


def file_of(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def logged(folder: Path, count: int, market: float, click: int = 0, floor: float = 0.0) -> Path:
    rows = [{"request": request(n, floor=floor), "market_price_cpm": market, "click": click} for n in range(count)]
    return file_of(folder / "requests.jsonl", *rows)


def replay(platform: FakePlatform, *files: Path, **options: Any) -> ReplayFigures:
    async def main() -> ReplayFigures:
        async with platform:
            return await run(
                ReplayOptions(url=platform.url, requests=files, connections=4, retry_seconds=0.001, **options)
            )

    return asyncio.run(main())


# Auctions and notices


def test_a_second_price_win_pays_the_market_and_is_billed_once(tmp_path: Path):
    platform = FakePlatform()
    figures = replay(platform, logged(tmp_path, 20, market=0.7345))
    assert (figures.requests, figures.bids, figures.wins, figures.losses) == (20, 20, 20, 0)
    assert figures.spend_micros == 20 * cpm_to_micros(0.7345)
    assert sorted(token for token, _ in platform.of_kind("bill")) == sorted(f"q{n}.0" for n in range(20))
    assert {query["price"] for kind in ("win", "bill") for _, query in platform.of_kind(kind)} == {"0.7345"}
    assert {query["imp"] for _, query in platform.of_kind("bill")} == {"0"}
    assert platform.of_kind("loss") == platform.of_kind("click") == []
    assert figures.errors.total() == figures.invalid_responses == 0


def test_nurl_comes_before_burl(tmp_path: Path):
    platform = FakePlatform()
    replay(platform, logged(tmp_path, 1, market=0.5))
    assert [kind for kind, _, _ in platform.notices] == ["win", "bill"]


def test_a_second_price_win_pays_the_floor_when_it_is_higher(tmp_path: Path):
    figures = replay(FakePlatform(), logged(tmp_path, 3, market=0.5, floor=1.25))
    assert figures.spend_micros == 3 * 1_250


def test_a_first_price_win_pays_its_bid_and_learns_the_least(tmp_path: Path):
    platform = FakePlatform()
    figures = replay(platform, logged(tmp_path, 3, market=0.5), auction="first")
    assert figures.spend_micros == 3 * 2_000
    assert {(q["price"], q["least"]) for _, q in platform.of_kind("win")} == {("2.0", "0.5")}


def test_a_loss_is_told_why_and_what_would_have_won(tmp_path: Path):
    platform = FakePlatform()
    figures = replay(platform, logged(tmp_path, 5, market=2.5))
    assert (figures.wins, figures.losses, figures.spend_micros) == (0, 5, 0)
    assert [query for _, query in platform.of_kind("loss")] == [{"code": "102", "least": "2.5"}] * 5
    assert platform.of_kind("win") == platform.of_kind("bill") == []


def test_each_imp_has_its_own_auction(tmp_path: Path):
    platform = FakePlatform()
    figures = replay(
        platform, file_of(tmp_path / "r", {"request": request(1, imps=3), "market_price_cpm": 1.0, "click": 0})
    )
    assert (figures.answers, figures.bids, figures.wins) == (1, 3, 3)
    assert sorted(query["imp"] for _, query in platform.of_kind("bill")) == ["0", "1", "2"]


def test_a_logged_click_is_clicked_and_may_convert(tmp_path: Path):
    platform = FakePlatform()
    figures = replay(platform, logged(tmp_path, 400, market=0.5, click=1))
    assert figures.clicks == figures.wins == len(platform.of_kind("click")) == 400
    assert platform.of_kind("click")[0][1] == {"a": "1", "b": "2"}  # &amp; in the markup is & in the URL
    conversions = platform.of_kind("conversion")
    assert figures.conversions == len(conversions)
    assert 5 <= len(conversions) <= 45  # 5% of 400
    assert all(token.startswith("c-q") for token, _ in conversions)
    assert figures.ecpc_micros == 500


def test_the_same_seed_gives_the_same_figures(tmp_path: Path):
    path = file_of(tmp_path / "r", *(request(n) for n in range(300)))
    same = [replay(FakePlatform(), path, seed=seed) for seed in (3, 3, 4)]
    money = [(f.wins, f.clicks, f.conversions, f.spend_micros) for f in same]
    assert money[0] == money[1] != money[2]
    assert 0 < same[0].wins == 300 - same[0].losses


def test_a_win_whose_billing_is_refused_is_not_spend(tmp_path: Path):
    platform = FakePlatform(notice_status=lambda kind, n: 410 if kind == "bill" and n < 2 else 204)
    figures = replay(platform, logged(tmp_path, 5, market=1.0))
    assert figures.wins == 5
    assert figures.spend_micros == 3 * 1_000
    assert dict(figures.errors) == {"notice_bill": 2}
    assert len(platform.of_kind("bill")) == 5  # a refusal is not repeated


@pytest.mark.parametrize("failure", [503, 0], ids=["503", "connection closed"])
def test_a_notice_that_breaks_is_sent_again(tmp_path: Path, failure: int):
    platform = FakePlatform(notice_status=lambda kind, n: failure if kind == "bill" and n < 3 else 204)
    figures = replay(platform, logged(tmp_path, 1, market=1.0))
    assert figures.spend_micros == 1_000
    assert figures.errors.total() == 0
    assert figures.notice_retries == 3 or failure == 0  # a closed reused connection is also tried afresh at once


def test_a_notice_that_keeps_breaking_is_given_up_and_counted(tmp_path: Path):
    platform = FakePlatform(notice_status=lambda kind, _: 500 if kind == "loss" else 204)
    figures = replay(platform, logged(tmp_path, 2, market=9.0))
    assert len(platform.of_kind("loss")) == 2 * 4
    assert dict(figures.errors) == {"notice_loss": 2}


def test_a_bidder_without_burl_is_billed_by_nurl(tmp_path: Path):
    platform = FakePlatform()

    def bid(asked: dict[str, Any]) -> bytes:
        response = platform.response(asked)
        del response["seatbid"][0]["bid"][0]["burl"]
        return http(200, json.dumps(response).encode())

    platform = FakePlatform(bid)
    figures = replay(platform, logged(tmp_path, 2, market=1.0))
    assert figures.invalid_responses == 0
    assert figures.spend_micros == 2_000


def test_a_click_that_leads_nowhere_is_an_error(tmp_path: Path):
    platform = FakePlatform(notice_status=lambda *_: 204)
    figures = replay(platform, logged(tmp_path, 2, market=1.0, click=1))
    assert figures.clicks == 0
    assert dict(figures.errors) == {"notice_click": 2}


# Statuses and violations


def changed(change: Callable[[dict[str, Any]], None]) -> FakePlatform:
    """Build a platform whose answers are changed before they are sent."""

    def bid(asked: dict[str, Any]) -> bytes:
        response = platform.response(asked)
        change(response)
        return http(200, json.dumps(response).encode())

    platform = FakePlatform(bid)
    return platform


def test_a_bid_that_breaks_a_rule_loses_with_code_3(tmp_path: Path):
    platform = changed(lambda response: response["seatbid"][0]["bid"][0].pop("crid"))
    figures = replay(platform, logged(tmp_path, 4, market=0.1))
    assert (figures.bids, figures.wins, figures.losses, figures.invalid_responses) == (4, 0, 4, 4)
    assert dict(figures.violations) == {"no_crid": 4}
    assert {query["code"] for _, query in platform.of_kind("loss")} == {"3"}


def test_a_bid_for_no_imp_of_the_request_loses(tmp_path: Path):
    platform = changed(lambda response: response["seatbid"][0]["bid"][0].update(impid="9"))
    figures = replay(platform, logged(tmp_path, 1, market=0.1))
    assert dict(figures.violations) == {"unknown_imp": 1}
    assert figures.losses == 1


@pytest.mark.parametrize(
    ("raw", "errors", "invalid"),
    [
        (http(204), {}, 0),
        (http(400), {}, 0),
        (http(413), {}, 0),
        (http(204, b"x"), {"body_with_204": 5}, 5),
        (http(400, b"why"), {"body_with_400": 5}, 5),
        (http(500), {"bid_5xx": 5}, 0),
        (http(401), {"bid_refused": 5}, 0),
        (http(429), {"bid_refused": 5}, 0),
        (http(503, b"busy"), {"bid_5xx": 5}, 0),
        (b"", {"bid_transport": 5}, 0),
        (http(200, b"[]"), {}, 5),
    ],
)
def test_statuses_and_errors_are_counted(tmp_path: Path, raw: bytes, errors: dict[str, int], invalid: int):
    figures = replay(FakePlatform(lambda _: raw), file_of(tmp_path / "r", *map(request, range(5))))
    assert (figures.requests, figures.bids) == (5, 0)
    assert dict(figures.errors) == errors
    assert figures.invalid_responses == invalid
    assert figures.summary()["errors"] == sum(errors.values())
    if raw:
        assert dict(figures.statuses) == {int(raw.split()[1]): 5}


# Sources, ends


def test_requests_are_sent_as_they_are(tmp_path: Path):
    path = tmp_path / "r"
    path.write_bytes(b'{"id" : "a","imp":[],"x":1.50}\n{"request":{"id":"b" , "imp":null},"kind":"k"}\n')
    platform = FakePlatform(no_bid)
    replay(platform, path)
    assert sorted(platform.requests) == [b'{"id" : "a","imp":[],"x":1.50}', b'{"id":"b" , "imp":null}']


def test_bad_lines_are_counted_with_their_number(tmp_path: Path):
    path = tmp_path / "r"
    path.write_bytes(b'{"id":"a","imp":[]}\nnot json\n')
    figures = replay(FakePlatform(no_bid), path)
    assert (figures.requests, figures.bad_lines) == (1, 1)
    assert f"{path}:2:" in figures.bad_line_reasons[0]


def test_a_count_ends_it_and_files_are_sent_again_until_then(tmp_path: Path):
    path = file_of(tmp_path / "r", *map(request, range(3)))
    assert replay(FakePlatform(no_bid), path, count=10).requests == 10
    assert replay(FakePlatform(no_bid), path, count=2).requests == 2
    assert replay(FakePlatform(no_bid), path).requests == 3


def test_a_duration_and_a_rate_end_it(tmp_path: Path):
    path = file_of(tmp_path / "r", *map(request, range(3)))
    figures = replay(FakePlatform(no_bid), path, duration=0.5, rate=40.0)
    assert 1 <= figures.requests <= 21  # due at 0, 25, ..., 500 ms; fewer only where the machine stands still


def test_simulated_traffic_bids_wins_and_clicks():
    figures = replay(platform := FakePlatform(), count=1_500)
    assert figures.requests == len(platform.requests) == 1_500
    assert 0 < figures.wins < 1_500  # the fake platform's size fits only a part
    assert figures.violations.keys() <= {"wrong_size", "below_floor"}
    assert platform.accepted["bill"] == figures.wins
    assert 0 < figures.clicks < figures.wins / 5


async def test_ticks_report_and_the_last_one_is_final(tmp_path: Path):
    ticks: list[int] = []
    async with FakePlatform() as platform:
        options = ReplayOptions(url=platform.url, count=300, tick_seconds=0.01)
        figures = await run(options, lambda figures: ticks.append(figures.requests))
    assert figures.requests == ticks[-1] == 300
    assert ticks == sorted(ticks)


async def test_cancelled_it_still_sends_the_notices_of_what_was_won():
    seen: list[ReplayFigures] = []
    async with FakePlatform() as platform:
        options = ReplayOptions(url=platform.url, duration=60.0, tick_seconds=0.01, auction="first")
        task = asyncio.create_task(run(options, seen.append))
        while not seen or seen[-1].wins < 20:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    figures = seen[-1]
    assert figures.requests == len(platform.requests) == figures.statuses.total()  # what is sent is waited for
    assert platform.keys == {None}
    assert figures.wins == platform.accepted["bill"] == platform.accepted["win"]
    assert figures.losses == platform.accepted["loss"]
    assert figures.wins + figures.losses == figures.bids
    assert figures.errors.total() == 0


async def test_cancelled_it_waits_for_the_answers_under_way():
    seen: list[ReplayFigures] = []
    async with FakePlatform(no_bid) as platform:
        platform.gate.clear()
        task = asyncio.create_task(run(ReplayOptions(url=platform.url, connections=4), seen.append))
        while len(platform.requests) < 4:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.05)
        assert not task.done()
        platform.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert seen[-1].requests == len(platform.requests) == seen[-1].statuses[204] == 4


async def test_the_wait_at_the_end_is_bounded(tmp_path: Path):
    """Notices that cannot be sent in time are abandoned, and counted."""
    async with FakePlatform(notice_status=lambda *_: 503) as platform:
        options = ReplayOptions(
            url=platform.url, requests=(logged(tmp_path, 3, 1.0),), retry_seconds=60.0, drain_seconds=0.2
        )
        figures = await run(options)
    assert dict(figures.errors) == {"notices_abandoned": 3}


async def test_an_observer_that_fails_ends_the_replay_with_its_error():
    def fail(_: ReplayFigures) -> None:
        raise RuntimeError("the screen is gone")

    async with FakePlatform() as platform:
        with pytest.raises(RuntimeError, match="the screen is gone"):
            await run(ReplayOptions(url=platform.url, duration=60.0, tick_seconds=0.01), fail)


def test_an_unreachable_platform_is_told_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            asyncio.run(run(ReplayOptions(url=f"http://127.0.0.1:{taken.getsockname()[1]}")))


def test_a_file_without_requests_ends_it_with_an_error(tmp_path: Path):
    with pytest.raises(RequestSourceError):
        replay(FakePlatform(), file_of(tmp_path / "empty"), duration=60.0)


@pytest.mark.parametrize("wrong", [{"connections": 0}, {"rate": -1.0}, {"tick_seconds": 0.0}])
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match="must be at least"):
        ReplayOptions(**wrong)


# The command line


def command(platform: FakePlatform, *arguments: str, interrupt: bool = False) -> tuple[int, str, str]:
    """Run the command in a process of its own; with `interrupt`, SIGINT it once it is under way."""

    async def main() -> tuple[int, str, str]:
        async with platform:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "pipelines.replay",
                "--url",
                platform.url,
                *arguments,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "TERM": "dumb"},
            )
            while interrupt and process.returncode is None and len(platform.requests) < 50:
                await asyncio.sleep(0.01)
            if interrupt:
                process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
            return process.returncode or 0, out.decode(), err.decode()

    return asyncio.run(main())


def test_the_last_line_is_the_figures(tmp_path: Path):
    path = logged(tmp_path, 50, market=1.0)
    with path.open("a") as file:
        file.write("no json\n")
    code, out, err = command(FakePlatform(), "--requests", str(path), "--auction", "first")
    summary = json.loads(out.splitlines()[-1])
    assert code == 0
    assert summary["spend_micros"] == 50 * 2_000
    assert summary["status"] == {"200": 50, "204": 0, "400": 0, "other": 0}
    assert summary["bad_lines"] == 1
    assert "requests.jsonl:51: not a JSON object" in err


def test_the_key_is_sent_and_an_interrupt_still_ends_with_the_figures():
    platform = FakePlatform()
    code, out, _ = command(platform, "--duration", "60", "--key", "k", interrupt=True)
    summary = json.loads(out.splitlines()[-1])
    assert code == 0
    assert platform.keys == {"k"}
    assert summary["requests"] == len(platform.requests)
    assert summary["wins"] == platform.accepted["bill"]
    assert summary["errors"] == 0


def test_what_cannot_start_exits_1_with_one_line(tmp_path: Path):
    runner = CliRunner()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        refused = runner.invoke(app, ["--url", f"http://127.0.0.1:{taken.getsockname()[1]}"])
    missing = runner.invoke(app, ["--requests", str(tmp_path / "absent.jsonl")])
    for result, message in ((refused, "cannot connect"), (missing, "absent.jsonl")):
        assert result.exit_code == 1
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert result.stdout == ""
