"""The page for everybody: keyboards, screen readers, small screens, both schemes, and Chinese."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.system.console.page import MIDDLE, NARROW, WIDE

if TYPE_CHECKING:
    from tests.system.console.page import Page

OVERFLOW = """
    const root = document.documentElement;
    const inner = [...document.querySelectorAll("dialog[open] .sheet, .scroll, .timeline-scroll")];
    const cut = inner.filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth);
    return [root.scrollWidth - root.clientWidth, cut.map((one) => one.className)];
"""

# Contrast as WCAG 2.2 defines it (success criterion 1.4.3), of every text against what is behind it.
CONTRAST = """
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
    };
    const over = (top, under) => top.slice(0, 3).map((part, at) => part * top[3] + under[at] * (1 - top[3]));
    const behind = (element) => {
        const layers = [];
        for (let one = element; one; one = one.parentElement) {
            layers.push(rgba(getComputedStyle(one).backgroundColor));
        }
        return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
    };
    const luminance = (colour) => {
        const [red, green, blue] = colour.map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const found = [];
    const walker = document.createTreeWalker(arguments[0] ?? document.body, NodeFilter.SHOW_TEXT);
    let count = 0;
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const text = walker.currentNode.textContent.trim();
        const apart = element.closest(".unseen, .skip, :disabled");
        const seen = element.checkVisibility({ visibilityProperty: true });
        if (!text || apart || !seen || ["SCRIPT", "STYLE"].includes(element.tagName)) {
            continue;
        }
        count += 1;
        const under = behind(element);
        const [light, dark] = [luminance(over(rgba(getComputedStyle(element).color), under)), luminance(under)]
            .sort((one, other) => other - one);
        const ratio = (light + 0.05) / (dark + 0.05);
        if (ratio < 4.5) {
            found.push(`${text.slice(0, 30)} (${element.className}): ${ratio.toFixed(2)}`);
        }
    }
    return [count, found];
"""

WITHOUT_NAME = """
    const named = (one) => one.getAttribute("aria-label") || one.textContent.trim() || one.title
        || one.labels?.length || one.getAttribute("aria-labelledby");
    return [...document.querySelectorAll("button, input, select, textarea, a, dialog, table, section, fieldset")]
        .filter((one) => one.checkVisibility() && !named(one)).map((one) => one.outerHTML.slice(0, 120));
"""


DICTIONARIES = """
    const schemas = async () => (await (await fetch("/api/openapi.json")).json()).components.schemas;
    const found = [import("/words-en.js"), import("/words-zh.js"), schemas()];
    Promise.all(found).then(([en, zh, named]) => arguments[0]([en.english, zh.chinese, named]));
"""


def fits(page: Page) -> None:
    """Check that nothing must be scrolled sideways."""
    sideways, inner = page.run(OVERFLOW)
    assert sideways <= 0, f"{sideways} pixels are out of sight"
    assert inner == []


def fill_up(page: Page) -> None:
    """Bring everything onto the page: an answer, a failure, a timeline, and problems."""
    page.act("Say hello to", "hello-tcp")
    page.until(lambda: ("closed", "closed") in [(kind, text[:6]) for kind, text in page.events()], "it is watched")
    page.act("Try", "closed")
    page.click("#try-send")
    page.one("#try-results .failure")
    page.until(lambda: len(page.events("closed")) == 1, "the drop is seen")
    page.click("#timeline [data-kind=received] .what")


@pytest.mark.parametrize("code", ["en", "zh"])
def test_every_size_fits(page: Page, code: str) -> None:
    """At 360, 768 and 1280 pixels, in both languages, nothing is out of sight; nor is it in the form."""
    sizes = (("wide", WIDE), ("middle", MIDDLE), ("narrow", NARROW))
    fill_up(page)
    if code == "zh":
        page.click("#language")
    for name, size in sizes:
        page.look(size)
        fits(page)
        page.run("scrollTo(0, 0)")
        page.shoot(f"{name}-{code}")
    page.click("#add")
    page.one("#editor-starts")
    page.all("#editor-starts button")[3].click()
    page.run("document.querySelector('.more').open = true")
    for name, size in sizes:
        page.look(size)
        fits(page)
        page.shoot(f"form-{name}-{code}")


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(page: Page, dark: bool) -> None:
    """Every text has at least 4.5 to 1, in both schemes, in the page and in the form."""
    page.open(dark=dark)
    fill_up(page)
    count, weak = page.run(CONTRAST)
    assert count > 80
    assert weak == []
    page.shoot("dark" if dark else "light")
    page.click("#add")
    page.one("#editor-starts")
    page.type("[data-path='listen[0]'] input", "tcp:99999")
    page.type("#editor-name", "wrong")
    page.click("#editor-save")
    page.says("[data-path='listen[0]'] .problem", "99999")
    page.run("document.querySelector('.more').open = true")
    count, weak = page.run(CONTRAST, page.one("#editor"))
    assert count > 40
    assert weak == []
    page.shoot("form-dark" if dark else "form-light")
    page.complaints()


def test_everything_has_a_name(page: Page) -> None:
    """What can be used says what it is, to those who do not see it."""
    fill_up(page)
    assert page.run(WITHOUT_NAME) == []
    assert page.one("#services-table").aria_role == "table"

    page.click("#add")
    page.one("#editor-starts")
    page.all("#editor-starts button")[3].click()
    page.run("document.querySelector('.more').open = true")
    assert page.run(WITHOUT_NAME) == []
    # What the browser itself makes of it:
    assert page.one("#editor").accessible_name == "Add a service"
    assert page.one("[data-path='rules[0].reply[0]'] input").accessible_name == "Answer 1"
    assert page.one("[data-path='limits.buffer'] input").accessible_name == "Buffer"


def reach(page: Page, what: str, held: str | None = None) -> list[dict[str, Any]]:
    """Press Tab until an element matches, and return all the stops before it, with how their focus is shown."""
    stops = []
    for _ in range(80):
        page.press(Keys.TAB, held=held)
        stop = page.run(
            """
            const one = document.activeElement;
            const { outlineStyle, outlineWidth } = getComputedStyle(one);
            return { what: one.outerHTML.slice(0, 80), shown: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
                     there: one.matches(arguments[0]) };
        """,
            what,
        )
        stops.append(stop)
        if stop["there"]:
            return stops
    pytest.fail(f"{what} is not among {[stop['what'] for stop in stops]}")


def test_keyboard_only(page: Page) -> None:
    """Hello, a service that is added, one that is removed, and undone: with Tab, Enter and Escape alone."""
    stops = reach(page, "#welcome-buttons button")
    page.press(Keys.ENTER)
    page.says("#try-results .answer .content", "hi")
    assert page.focused().get_attribute("id") == "try-message"

    stops += reach(page, "#add", Keys.SHIFT)
    page.press(Keys.ENTER)
    page.until(lambda: page.focused().get_attribute("id") == "editor-name", "the form has the keyboard")
    page.press(Keys.ESCAPE)
    page.gone("#editor")
    assert page.focused().get_attribute("id") == "add"

    page.press(Keys.ENTER)
    page.until(lambda: page.focused().get_attribute("id") == "editor-name", "the form has the keyboard again")
    page.press("by-keys")
    stops += reach(page, "[data-path='description'] input")
    page.press("made without a mouse", Keys.ENTER)
    page.gone("#editor")
    page.one("tr[data-name=by-keys]")
    page.until(lambda: page.focused().get_attribute("aria-label") == "Try by-keys", "its row has the keyboard")

    stops += reach(page, "button[aria-label='Remove by-keys']")
    page.press(Keys.ENTER)
    page.gone("tr[data-name=by-keys]")
    page.until(lambda: page.focused().text == "Undo", "undo has the keyboard")
    page.press(Keys.SPACE)
    page.one("tr[data-name=by-keys]")
    assert [stop["what"] for stop in stops if not stop["shown"]] == []


def test_still_for_those_who_want_it(page: Page) -> None:
    """Nothing moves when the system says so."""
    page.look(still=True)
    page.run("document.querySelector('#services-body tr').classList.add('pointed')")
    assert page.run("return getComputedStyle(document.querySelector('tr.pointed')).animationName") == "none"


def test_chinese_is_one_click_away(page: Page) -> None:
    """The page, its form and what is said later are Chinese then, and are so at the next visit."""
    page.click("#language")
    assert page.run("return document.documentElement.lang") == "zh-Hans"
    page.says("#services-title", "服务")
    page.click("button[aria-label='对 hello-tcp 说 hello']")
    page.says("#try-results .answer .facts", "然后它关闭了连接")
    page.until(lambda: any(text.startswith("关闭") for _, text in page.events()), "the timeline is Chinese")
    page.click("#add")
    page.says("#editor-title", "添加服务")
    page.click("#editor-cancel")

    page.driver.refresh()
    page.says("#services-title", "服务")
    page.click("#language")
    page.says("#services-title", "Services")


def test_the_dictionaries_are_complete(page: Page) -> None:
    """Each sentence is there in both languages, with the same values in it, and so is each setting of the schema."""
    english, chinese, schemas = page.driver.execute_async_script(DICTIONARIES)

    assert set(english) - set(chinese) == set()
    for key, sentence in english.items():
        names = [set(re.findall(r"\{(\w+)\}", words)) for words in (sentence, chinese[key])]
        assert names[0] == names[1], key

    def settings(name: str, prefix: str) -> set[str]:
        found = set()
        for each, schema in schemas[name]["properties"].items():
            if "const" not in schema:
                found.add(f"field.{prefix}{each}")
                if "description" in schema:
                    found.add(f"hint.{prefix}{each}")
        return found

    given = {name: schema.get("properties", {}).get("protocol", {}) for name, schema in schemas.items()}
    wanted = set().union(*(settings(name, "") for name, protocol in given.items() if "const" in protocol))
    wanted |= settings("Limits", "limits.") | settings("Rule", "rules.") | settings("When", "rules.when.")
    assert wanted - set(chinese) == set()
