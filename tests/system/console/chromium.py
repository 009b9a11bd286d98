"""Debian's chromium without a window, led by its driver: one for all tests of the page."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from selenium import webdriver

from tests.system.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUIET = (
    "--headless=new",
    "--no-sandbox",  # tests run as root, which chromium's sandbox refuses
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have a small /dev/shm
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-US",
)
"""A browser that shows nothing, asks nothing, and talks to nobody but us."""


@contextmanager
def chromium(folder: Path) -> Iterator[webdriver.Chrome]:
    """
    Give a browser with an empty profile.

    :param folder: where its profile is made.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for word in (*QUIET, f"--user-data-dir={folder}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # A connection that is kept would come and go in the middle of a test, which then seems to leave one behind.
    driver = webdriver.Chrome(options, webdriver.ChromeService(program("chromedriver")), keep_alive=False)
    try:
        yield driver
    finally:
        driver.quit()
