"""Single parts of the page, asked in the browser that runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.system.console.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

    from tests.system.daemon import Daemon

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"

NASTY = {
    "listen": ["tcp:7007:interface=\\:\\:1", "udp:7007"],
    "protocol": "reply",
    "rules": [
        {"when": {"equals": "yes"}, "reply": ["no", "0x10", "1e3", "12:30", "~", "null", "- a", "a: b", "#", " x "]},
        {"when": {"length": 0}, "reply": {"hex": "00 ff"}, "then": "half-close"},
        {"reply": 'two\r\nlines\t"\\', "example": ""},
    ],
    "limits": {"idle_timeout": "5m", "buffer": 65536},
    "deny": [],
    "low_ports": True,
    "description": "grüße 你好 {x}",
}


@pytest.fixture(scope="module")
def page(browser: Chrome, daemon: Daemon) -> Iterator[Page]:
    """Give the page, opened once: these tests change nothing in it."""
    shown = Page(browser, f"http://127.0.0.1:{daemon.at('console').port}/")
    shown.open()
    yield shown
    assert shown.complaints() == []
    browser.get("about:blank")


def ask(page: Page, module: str, script: str, *given: Any) -> Any:
    """Run a script with what a module exports (`its`), and return what it returns; `given` are its arguments."""
    return page.driver.execute_async_script(
        f"""
            const [done, ...given] = [arguments[arguments.length - 1], ...arguments];
            const act = (its) => {{ {script} }};
            import("/{module}").then(act).then(done, (problem) => done(String(problem)));
        """,
        *given,
    )


def test_escapes_and_hex(page: Page) -> None:
    """Every text comes back from its escapes, and every byte from its hex."""
    texts = [
        "",
        "hello",
        "220 ready\r\n",
        "\\r",
        "a\0b\x1b[2J",
        "\u202eevil",
        "grüße 你好 😀",
        "\ufeff",
        '"<b>&'.strip(),
    ]
    back = ask(page, "bytes.js", "return given[0].map((text) => its.unescaped(its.escaped(text)))", texts)
    assert back == texts
    shown = ask(page, "bytes.js", "return given[0].map(its.escaped).join('')", texts)
    assert shown.isprintable()

    pairs = ask(page, "bytes.js", "return its.toHex(its.fromHex(its.paired(given[0])))", "00 0AfF\n10")
    assert pairs == "00 0a ff 10"
    dump = "return its.dumped(its.encoded(given[0]), 8)"
    assert ask(page, "bytes.js", dump, "hello, you") == (
        "0000  68 65 6c 6c  6f 2c 20 79  |hello, y|\n0008  6f 75                     |ou|"
    )


def test_numbers_are_short(page: Page) -> None:
    """Three digits or so, whatever the size."""
    script = "return [given[0].map(its.brief), given[0].map(its.sized)]"
    numbers, sizes = ask(page, "bytes.js", script, [0, 0.04, 0.5, 12, 12.34, 999.6, 12345, 2.5e6])

    assert numbers == ["0", "0.04", "0.5", "12", "12.3", "1000", "12.3k", "2.5M"]
    assert sizes == ["0 B", "0.04 B", "0.5 B", "12 B", "12.3 B", "1000 B", "12.1 KiB", "2.4 MiB"]


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_the_stream_is_cut_right(page: Page, size: int) -> None:
    """However it arrives: all kinds of line ends, comments, several lines of data, an event that is not finished."""
    text = (
        'event: one\ndata: {"a": 1}\n\n: still here\n\ndata: x\r\ndata:y\r\n\r\nevent: none\n\nevent: late\ndata: z\n'
    )
    script = """
        const found = [];
        const events = new its.Events((name, data) => found.push([name, data]));
        for (let at = 0; at < given[0].length; at += given[1]) {
            events.feed(given[0].slice(at, at + given[1]));
        }
        return found;
    """

    assert ask(page, "stream.js", script, text, size) == [["one", '{"a": 1}'], ["message", "x\ny"]]


def test_lanes(page: Page) -> None:
    """A connection keeps its lane until its end; there is always one; who was there before has a line from above."""
    script = """
        const lanes = new its.Lanes();
        return given[0].map(([kind, connection]) => {
            const { lane, before, after } = lanes.take({ kind, connection, peer: "p", service: "s" });
            return lane + before.map((above, at) => ".^v|"[above + 2 * after[at]]).join("");
        });
    """
    events = [("opened", 1), ("opened", 2), ("sent", 1), ("closed", 1), ("opened", 3), ("dropped", 9), ("sent", 7)]
    assert ask(page, "lanes.js", script, events) == [
        "0v....", "1|v...", "0||...", "0^|...", "0v|...", "2||...", "2|||..",
    ]  # fmt: skip
    many = [("opened", number) for number in range(9)] + [("closed", number) for number in range(9)]
    drawn = ask(page, "lanes.js", script, many)
    assert [each[0] for each in drawn] == list("012344444") * 2
    assert drawn[-1] == "4....^"


def test_yaml_is_what_the_daemon_would_read(page: Page) -> None:
    """What is shown as YAML means the same as the settings."""
    text = ask(page, "yaml.js", "return its.toYaml('nasty', given[0])", NASTY)

    assert yaml.safe_load(text) == {"nasty": NASTY}


def settings() -> dict[str, dict[str, Any]]:
    """Return services of the cookbook, as the console gives them."""
    found = {"nasty": NASTY}
    for file in sorted(EXAMPLES.glob("*.yaml")):
        for name, service in yaml.safe_load(file.read_text(encoding="utf-8"))["services"].items():
            if not str(service.get("protocol")).startswith("python:"):
                found[f"{file.stem}/{name}"] = json.loads(
                    json.dumps(service, default=lambda data: {"hex": data.hex(" ")})
                )
    return found


def test_the_form_changes_nothing_by_itself(page: Page) -> None:
    """What is filled in and not touched comes out as it was, of every service in the cookbook."""
    script = """
        const schemas = (await (await fetch("/api/openapi.json")).json()).components.schemas;
        return Object.entries(given[0]).map(([name, settings]) => {
            const form = new its.Form(schemas, () => "");
            form.fill(settings);
            const faults = [];
            return [name, form.read(faults), faults.length];
        });
    """
    services = settings()
    assert len(services) > 10
    script = f"return (async () => {{ {script} }})()"
    for name, read, faults in ask(page, "form.js", script, services):
        assert (name, read, faults) == (name, services[name], 0)


def test_an_unknown_setting_survives_the_form(page: Page) -> None:
    """A setting that is newer than the page is kept as it is."""
    script = """
        return (async () => {
            const schemas = (await (await fetch("/api/openapi.json")).json()).components.schemas;
            const form = new its.Form(schemas, () => "");
            form.fill(given[0]);
            return form.read([]);
        })();
    """
    newer = {"listen": "tcp:7007", "protocol": "echo", "limits": {"newest": 1}, "newer": {"x": [1]}}

    assert ask(page, "form.js", script, newer) == newer
