"""What the console reads: histograms, samples, the API, the events' files, Prometheus."""

from __future__ import annotations

import math
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.console.configuration import from_environment
from dashboards.console.sources.api import ApiError, ConsoleApi
from dashboards.console.sources.event_files import EventFiles, EventsMissing
from dashboards.console.sources.exposition import Histogram, histograms, of_requests, of_stages, of_times
from dashboards.console.sources.prometheus import PrometheusAway, over_time
from dashboards.console.sources.samples import ConsoleSample, Samples, quantiles, rates
from rtb.store import FolderStore
from tests.dashboards.fake_platform import KEY, METRICS, FakePlatform, serving
from tests.dashboards.made_events import few


def test_histograms_of_requests_and_stages_are_found():
    found = histograms(METRICS)
    requests = of_requests(found)
    assert requests is not None
    assert requests.total == 100
    assert requests.quantile(0.5) == pytest.approx(0.01)
    assert requests.quantile(0.7) == pytest.approx(0.055)  # half way from 50 to 90
    assert requests.quantile(0.99) == 0.1  # more is not known than that it took longer
    assert requests.within(0.1) == 0.9
    assert of_stages(found)["score"].total == 80
    assert of_requests({}) is None


def test_only_what_came_since_counts():
    before, after = (Histogram(np.array([0.01, np.inf]), np.array(counts)) for counts in ([5.0, 9.0], [6.0, 19.0]))
    assert after.since(before).counts.tolist() == [1.0, 10.0]
    assert before.since(after) is before  # a platform that was started anew
    assert math.isnan(after.since(after).quantile(0.5))


@given(st.lists(st.floats(0.0, 2.0), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_of_the_exact_one(seconds: list[float], part: float):
    bounds = np.array([0.01, 0.1, 0.5, 1.0])
    exact = float(np.sort(seconds)[max(0, math.ceil(part * len(seconds)) - 1)])
    found = of_times(np.array(seconds), bounds).quantile(part)
    upper = next((bound for bound in bounds if exact <= bound), math.inf)
    assert found <= min(upper, 1.0) + 1e-9
    assert found >= max((bound for bound in bounds if bound < exact), default=0.0) - 1e-9


def test_rates_and_percentiles_between_two_looks():
    def sample(at: float, requests: int, counts: list[float]) -> ConsoleSample:
        return ConsoleSample(at, {"requests": requests}, Histogram(np.array([0.01, np.inf]), np.array(counts)), {})

    kept = Samples()
    for one in (sample(100, 10, [5, 5]), sample(100.2, 99, [5, 5]), sample(102, 30, [25, 25]), sample(104, 3, [1, 1])):
        kept.add(one)
    seen = kept.last(60, 104)
    assert [one.at for one in seen] == [100, 102, 104]  # the second came too soon
    assert rates(seen, {"requests": "requests"})["requests"].tolist() == [10.0, 0.0]
    assert quantiles(seen, {"p50": 0.5})["p50"].tolist() == [5.0, 5.0]
    assert kept.last(1, 104)[0].at == 104


def test_an_answer_serves_for_a_moment_and_a_change_ends_it():
    with serving(FakePlatform()) as platform:
        api = ConsoleApi(platform.url, KEY)
        assert api.get("/campaign/c1")["version"] == 3
        platform.answers["/campaign/c1"] = (200, {"version": 4})
        assert api.get("/campaign/c1")["version"] == 3
        api.send("POST", "/campaign/c1/pause", version=3)
        assert api.get("/campaign/c1")["version"] == 4
        assert [(one.method, one.path, one.version) for one in platform.told] == [("POST", "/campaign/c1/pause", '"3"')]
        assert [call.path for call in api.calls] == ["/campaign/c1", "/campaign/c1/pause", "/campaign/c1"]


def test_a_refusal_says_what_to_do():
    with serving(FakePlatform()) as platform:
        with pytest.raises(ApiError, match=r"401.*RAYBID_KEY"):
            ConsoleApi(platform.url, "").get("/campaigns")
        with pytest.raises(ApiError, match=r"412.*repeat the change") as refused:
            ConsoleApi(platform.url, KEY).send("POST", "/campaign/c1/pause", version=2)
        assert refused.value.status == 412
    with pytest.raises(ApiError, match="make run"):
        ConsoleApi("http://127.0.0.1:9", KEY).get("/stats")


def test_the_last_events_are_read(tmp_path: Path):
    few(time.time() - 30).write(tmp_path)
    assert len(EventFiles(FolderStore(tmp_path)).last(60)) == 10
    assert len(EventFiles(FolderStore(tmp_path)).last(5)) == 0


def test_a_missing_folder_says_what_to_do(tmp_path: Path):
    with pytest.raises(EventsMissing, match="RAYBID_VAR_DIR"):
        EventFiles(FolderStore(tmp_path / "none")).last(60)


def test_prometheus_is_asked_for_a_range():
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v1/query_range"
        return httpx.Response(200, json={"data": {"result": [{"values": [[100, "1.5"], [101, "2"]]}]}})

    found = over_time("http://p.example", "up", 60, httpx.MockTransport(answer))
    assert found.tolist() == [1.5, 2.0]
    assert found.index[0].timestamp() == 100
    nothing = httpx.MockTransport(lambda _: httpx.Response(200, json={"data": {"result": []}}))
    assert over_time("http://p.example", "up", 60, nothing).empty
    with pytest.raises(PrometheusAway, match="RAYBID_PROMETHEUS_URL"):
        over_time("http://p.example", "up", 60, httpx.MockTransport(lambda _: httpx.Response(500)))


def test_the_environment_says_where_the_platform_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path))
    assert from_environment({}).key == ""
    assert list(tmp_path.iterdir()) == []  # none is made
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "admin_key").write_text("kept since the first run\n")
    assert from_environment({}).key == "kept since the first run"
    told = from_environment({"RAYBID_URL": "http://b.example/", "RAYBID_KEY": "given"})
    assert (told.url, told.key, told.events.local()) == ("http://b.example", "given", tmp_path / "events")
