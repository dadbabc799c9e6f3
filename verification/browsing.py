"""Chromium without a window, driven by a program."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Error, sync_playwright

_ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")


class BrowserMissing(RuntimeError):
    """An error when no browser can be driven; the message says what to do."""


@contextmanager
def headless_chromium(*arguments: str) -> Iterator[Browser]:
    """Run Chromium for the time of the block.

    Args:
        *arguments: further arguments of its command line.

    Raises:
        BrowserMissing: it is missing or does not start.
    """
    path = os.environ.get("RAYBID_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise BrowserMissing("Chromium is missing: install Debian's `chromium`, or set RAYBID_CHROMIUM")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=[*_ARGUMENTS, *arguments])
        except Error as error:
            raise BrowserMissing(f"{path} did not start: {str(error)[:300]}") from error
        try:
            yield browser
        finally:
            browser.close()
