"""Chromium on the console's pages: open tabs, read them, press buttons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from playwright.sync_api import Error, Page

from verification.browsing import headless_chromium

Theme = Literal["light", "dark"]

_TIMEOUT_MS = 30_000
_SETTLE_MS = 600
_ROOM = 40
_TALLEST = 8_000

_CHARTS = """() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => {
  const points = trace => {
    if (trace.type === 'indicator') return Number.isFinite(trace.value) ? 1 : 0;
    const isKnown = value => value !== null && value !== undefined && value === value;
    const known = values => values ? Array.from(values).filter(isKnown).length : 0;
    return Math.max(trace.type === 'histogram' ? known(trace.x) : 0, Math.min(known(trace.x), known(trace.y)));
  };
  const traces = plot._fullData || [];
  const box = plot.getBoundingClientRect();
  return {
    points: traces.reduce((sum, trace) => sum + points(trace), 0),
    marks: plot.querySelectorAll('.trace, .points path, .indicator').length,
    width: box.width, height: box.height,
  };
})"""

_METRICS = """() => Object.fromEntries([...document.querySelectorAll('[data-testid="stMetric"]')].map(metric => [
  metric.querySelector('[data-testid="stMetricLabel"]').innerText.trim(),
  metric.querySelector('[data-testid="stMetricValue"]').innerText.trim()]))"""

_STILL = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  if (!app || app.getAttribute('data-test-script-state') !== 'notRunning') return false;
  if (document.querySelector('[data-testid="stSkeleton"], [data-testid="stSpinner"]')) return false;
  return [...document.querySelectorAll('.js-plotly-plot')].every(plot => plot.querySelector('.main-svg'));
}"""

_WIDTHS = """() => ({page: document.documentElement.scrollWidth, window: window.innerWidth})"""


class PageContent(NamedTuple):
    """The contents of a page.

    Attributes:
        charts: number of charts.
        empty: number of charts without points, and empty states.
        errors: texts of error elements.
        metrics: figures by name.
        overflow: pixels by which the page is wider than the window.
    """

    charts: int
    empty: int
    errors: list[str]
    metrics: dict[str, str]
    overflow: int


class Pages:
    """One window.

    Args:
        page: Playwright's page.
        url: URL of the console.
        height: height of the window, pixels.
    """

    def __init__(self, page: Page, url: str, height: int) -> None:
        self._page, self._url, self._height = page, url, height
        page.set_default_timeout(_TIMEOUT_MS)

    @property
    def tabs(self) -> list[str]:
        """Names of the tabs, in order."""
        self.open({})
        return [text.strip() for text in self._page.get_by_role("tab").all_inner_texts()]

    def open(self, asked: dict[str, str]) -> None:
        """Open a page by its URL parameters, and wait until it is drawn."""
        given = "&".join(f"{name}={value}" for name, value in asked.items())
        self._page.goto(f"{self._url}/?{given}")
        self._page.wait_for_selector('[role="tab"][aria-selected="true"], [data-testid="stAlert"]')
        self.settle()

    def settle(self) -> None:
        """Wait until the script has ended and every chart is drawn."""
        self._page.wait_for_timeout(_SETTLE_MS)
        self._page.wait_for_function(_STILL)
        self._page.wait_for_timeout(_SETTLE_MS)

    def press(self, name: str) -> None:
        """Press the first button of this name, and wait until the page is redrawn."""
        self._page.get_by_role("button", name=name, exact=True).first.click()
        self.settle()

    def fill(self, label: str, text: str) -> None:
        """Type into the first field with this label."""
        self._page.get_by_label(label).first.fill(text)

    def says(self, text: str) -> bool:
        """Return whether the page soon shows a text."""
        try:
            self._page.get_by_text(text).first.wait_for(state="visible")
        except Error:
            return False
        return True

    def see(self) -> PageContent:
        """Return the current contents of the page."""
        page = self._page
        charts: list[dict[str, Any]] = page.evaluate(_CHARTS)
        blank = [one for one in charts if not one["points"] or not one["marks"] or one["width"] < 100]
        errors = page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').all_inner_texts()
        widths: dict[str, int] = page.evaluate(_WIDTHS)
        return PageContent(
            len(charts),
            len(blank) + page.locator('[class*="st-key-empty-"]').count(),
            errors,
            page.evaluate(_METRICS),
            max(0, widths["page"] - widths["window"]),
        )

    def shoot(self, path: Path) -> None:
        """Take a screenshot of the whole page, beyond the window."""
        page = self._page
        size = page.viewport_size
        assert size is not None
        height: int = page.evaluate("() => document.querySelector('[data-testid=\"stMain\"]').scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": min(max(self._height, height + _ROOM), _TALLEST)})
        self.settle()
        page.screenshot(path=path)
        page.set_viewport_size(size)


class Browser:
    """Chromium while it runs.

    Args:
        playwright_browser: Playwright's browser.
        url: URL of the console.
        token: token of the console.
    """

    def __init__(self, playwright_browser: Any, url: str, token: str) -> None:
        self._browser, self._url, self._token = playwright_browser, url, token

    @contextmanager
    def window(self, width: int, height: int, theme: Theme) -> Iterator[Pages]:
        """Open a window of this size, for a system that prefers this theme."""
        context = self._browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        try:
            page = context.new_page()
            page.goto(f"{self._url}/?token={self._token}")
            yield Pages(page, self._url, height)
        finally:
            context.close()


@contextmanager
def chromium(url: str, token: str) -> Iterator[Browser]:
    """Start headless Chromium for the console at this URL, with its token.

    Raises:
        BrowserMissing: it is missing or does not start.
    """
    with headless_chromium() as browser:
        yield Browser(browser, url, token)
