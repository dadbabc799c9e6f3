"""Debian's Chromium, started headless and driven by Playwright."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Browser, BrowserContext, Error, sync_playwright

_ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
_COOKIE_CONTROLS = {True: 0, False: 1}
"""Values of Chromium's preference: third-party cookies are taken, or blocked. Debian's default is to block them."""

_Launched = TypeVar("_Launched")


class BrowserMissing(RuntimeError):
    """An error when no browser can be driven; the message says what to do."""


@contextmanager
def launched(arguments: Sequence[str] = ()) -> Iterator[Browser]:
    """Start headless Chromium with these arguments of its command line, without a profile.

    Raises:
        BrowserMissing: it is missing or does not start.
    """
    path = _program()
    with sync_playwright() as playwright:
        launch = playwright.chromium.launch
        browser = _started(path, lambda: launch(executable_path=path, args=[*_ARGUMENTS, *arguments]))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def person(
    folder: Path, arguments: Sequence[str] = (), *, takes_third_party_cookies: bool = True, **options: Any
) -> Iterator[BrowserContext]:
    """Start headless Chromium with the profile of a person.

    Args:
        folder: folder of the profile, which is made.
        arguments: further arguments of its command line.
        takes_third_party_cookies: whether the person allows them.
        **options: Playwright's, of a context.

    Raises:
        BrowserMissing: it is missing or does not start.
    """
    path = _program()
    (folder / "Default").mkdir(parents=True)
    told = {"cookie_controls_mode": _COOKIE_CONTROLS[takes_third_party_cookies]}
    (folder / "Default" / "Preferences").write_text(json.dumps({"profile": told}))
    with sync_playwright() as playwright:
        launch, given = playwright.chromium.launch_persistent_context, [*_ARGUMENTS, *arguments]
        context = _started(path, lambda: launch(folder, executable_path=path, args=given, **options))
        try:
            yield context
        finally:
            context.close()


def _program() -> str:
    path = os.environ.get("RAYBID_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise BrowserMissing("Chromium is missing: install Debian's `chromium`, or set RAYBID_CHROMIUM")
    return path


def _started(path: str, launch: Callable[[], _Launched]) -> _Launched:
    try:
        return launch()
    except Error as error:
        raise BrowserMissing(f"{path} did not start: {str(error)[:300]}") from error
