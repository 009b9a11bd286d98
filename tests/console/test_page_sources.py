"""The page's sources keep to what its policy promises: no markup from data, nothing from elsewhere."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

PAGE = {
    each.name: each.read_text(encoding="utf-8")
    for each in files("echod.console").joinpath("page").iterdir()
    if each.is_file()
}
SCRIPTS = sorted(name for name in PAGE if name.endswith(".js"))
FAMILIES = "add choice column end ended failure field happened hint item none protocol reason start word"
"""Keys that are put together of such a word and another."""

MARKUP = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "new Function")


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_write_no_markup(name: str) -> None:
    """What comes from anywhere becomes text: there is no other way in these files."""
    assert [word for word in MARKUP if word in PAGE[name]] == []


@pytest.mark.parametrize("name", sorted(PAGE))
def test_nothing_comes_from_elsewhere(name: str) -> None:
    """No file names another host; the one address in them is the name of SVG's elements."""
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", PAGE[name]))

    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_the_page_has_nothing_inline() -> None:
    """Its policy forbids scripts, listeners and styles in the markup."""
    assert (
        re.findall(r"<script(?! type=\"module\" src=)|<style|\sstyle=|\son\w+=|javascript:", PAGE["index.html"]) == []
    )


def test_each_script_is_used() -> None:
    """Every module is imported by another, or is the page's own; each import has its file."""
    imported = {found for text in PAGE.values() for found in re.findall(r'(?:from|import) "\./([\w-]+\.js)"', text)}

    assert imported | {"main.js"} == set(SCRIPTS)
    # All are asked for at once: else a browser far away waits for each importing the next.
    assert {*re.findall(r'modulepreload" href="([\w-]+\.js)"', PAGE["index.html"]), "main.js"} == set(SCRIPTS)


def test_each_sentence_is_used() -> None:
    """Every key of the dictionary is said somewhere, or belongs to a family that is."""
    english = set(re.findall(r'^  "?([\w.-]+)"?:', PAGE["words-en.js"], re.MULTILINE))
    said = "\n".join(text for name, text in PAGE.items() if not name.startswith("words-"))
    families = tuple(f"{word}." for word in FAMILIES.split())

    unsaid = {key for key in english if f'"{key}"' not in said and not key.startswith(families)}
    # Those that name whom a button is for.
    assert {key for key in unsaid if not (key.endswith(".of") and key.removesuffix(".of") in english)} == set()
