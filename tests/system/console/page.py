"""The console's page in a browser: what a person does there, and what they see."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.system.daemon import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

LOOK = 0.04
"""Seconds between two looks: each costs the browser some work."""

SHOTS = Path(os.environ.get("ECHOD_SCREENSHOTS", "build/screenshots"))
"""Where pictures of the page are kept, for people: nothing reads them."""

WIDE, MIDDLE, NARROW = (1280, 900), (768, 1024), (360, 740)
"""Sizes of the window in pixels: a desktop, a tablet, a small telephone."""

SEEN = """
    return [...document.querySelectorAll(arguments[0])].filter((one) => one.checkVisibility({visibilityProperty: true}))
"""


class Page:
    """
    One tab with the page.

    :param driver: the browser.
    :param url: where the console is, as `http://127.0.0.1:8007/`.
    """

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, size: tuple[int, int] = WIDE, *, dark: bool = False) -> None:
        """Open the page as for the first time, and wait until it shows the services."""
        self.tell("Storage.clearDataForOrigin", origin=self.url.rstrip("/"), storageTypes="all")
        self.driver.get_log("browser")
        self.look(size, dark=dark)
        self.driver.get(self.url)
        self.one("#services-card[aria-busy=false]")

    def look(self, size: tuple[int, int] = WIDE, *, dark: bool = False, still: bool = False) -> None:
        """Look at it on another screen."""
        width, height = size
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme, motion])

    def tell(self, command: str, **settings: Any) -> Any:
        """Give the browser a command of its own protocol."""
        return self.driver.execute_cdp_cmd(command, settings)

    def run(self, script: str, *given: Any) -> Any:
        """Run a script in the page, and return what it returns."""
        return self.driver.execute_script(script, *given)

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait until something is true; elements that are replaced meanwhile are looked for again."""

        def looked() -> object:
            try:
                found = true()
            except StaleElementReferenceException:
                found = False
            if not found:
                time.sleep(LOOK)
            return found

        wait_until(looked, what)

    def all(self, css: str) -> list[WebElement]:
        """Return the elements that can be seen."""
        found: list[WebElement] = self.run(SEEN, css)
        return found

    def one(self, css: str) -> WebElement:
        """Wait for an element that can be seen, and return it."""
        found: list[WebElement] = []

        def looked() -> bool:
            found[:] = self.all(css)[:1]
            return bool(found)

        self.until(looked, f"{css} can be seen")
        return found[0]

    def gone(self, css: str) -> None:
        """Wait until no such element can be seen."""
        self.until(lambda: not self.all(css), f"{css} cannot be seen any more")

    def click(self, css: str) -> None:
        """Click an element, once it is there and can be used."""
        self.one(f"{css}:enabled, {css}:not(button, input)").click()

    def text(self, css: str) -> str:
        """Return the text of an element that can be seen, as it is in the page; "" if there is none."""
        return " ".join(self.run(SEEN.strip() + ".slice(0, 1).map((one) => one.textContent)", css))

    def says(self, css: str, text: str) -> None:
        """Wait until an element has a text in it."""
        self.until(lambda: text in self.text(css), f"{css} says {text!r}")

    def type(self, css: str, text: str) -> None:
        """Replace what is in an input by typing."""
        self.run("arguments[0].focus(); arguments[0].select()", self.one(css))
        self.press(Keys.DELETE, text)

    def choose(self, css: str, value: str) -> None:
        """Choose an option by its value."""
        self.one(css).find_element(By.CSS_SELECTOR, f"option[value={json.dumps(value)}]").click()

    def act(self, verb: str, name: str) -> None:
        """Click a button in a service's row: Say hello to, Try, Watch, Edit, View or Remove."""
        self.click(f"button[aria-label={json.dumps(f'{verb} {name}')}]")

    def row(self, name: str) -> str:
        """Return the text of a service's row."""
        return self.text(f"tr[data-name={json.dumps(name)}]")

    def names(self) -> list[str]:
        """Return the services in the table."""
        return list(self.run(SEEN.strip() + ".map((row) => row.dataset.name)", "#services-body tr"))

    def field(self, path: str) -> str:
        """Return the selector of a setting in the form, `[data-path="listen[0]"]`."""
        return f'#editor [data-path="{path}"]'

    def events(self, service: str = "") -> list[tuple[str, str]]:
        """Return the kind and the text of each row of the timeline, of one service or of all."""
        script = """
            return [...document.querySelectorAll("#timeline .event")]
                .filter((row) => !arguments[0] || row.dataset.service === arguments[0])
                .map((row) => [row.dataset.kind, row.querySelector(".what, .left-out").textContent])
        """
        return [(kind, text) for kind, text in self.run(script, service)]

    def focused(self) -> WebElement:
        """Return the element that has the keyboard."""
        return self.driver.switch_to.active_element

    def press(self, *keys: str, held: str | None = None) -> None:
        """Press keys, perhaps while another is held, whatever has the keyboard."""
        actions = ActionChains(self.driver, duration=0)
        if held is not None:
            actions.key_down(held)
        actions.send_keys(*keys)
        if held is not None:
            actions.key_up(held)
        actions.perform()

    def shoot(self, name: str) -> None:
        """Keep a picture of what can be seen, as WebP."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        picture = self.tell("Page.captureScreenshot", format="webp", quality=80)
        (SHOTS / f"{name}.webp").write_bytes(base64.b64decode(picture["data"]))

    def complaints(self) -> list[str]:
        """Return what the page wrote to the browser's console since the last time."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]
