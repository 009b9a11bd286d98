"""Text with markup as roff: what is literal stays literal."""

import subprocess

import pytest

from echod.manual.roff import Page, code, prose
from tests.system.programs import program


@pytest.mark.parametrize(
    ("text", "roff"),
    [
        ("a `b-c` d", r"a \fBb\-c\fR d"),
        ("an *ENDPOINT* here", r"an \fIENDPOINT\fR here"),
        ("`$${` and *not", r"\fB$${\fR and *not"),
        ("conf.d/*.yaml or */5", "conf.d/*.yaml or */5"),
        (r"a \ and a ~", r"a \(rs and a \(ti"),
        ("One. Two follows. e.g. this", "One.\nTwo follows. e.g. this"),
        (".SH is no heading", r"\&.SH is no heading"),
        ("It ends. `.so` begins", "It ends.\n\\fB.so\\fR begins"),
        ("déjà…", r"d\[u00E9]j\[u00E0]\[u2026]"),
    ],
)
def test_prose(text: str, roff: str) -> None:
    """Markup is replaced, sentences have lines of their own, and no line is a request."""
    assert prose(text) == roff


def test_code_keeps_its_lines_and_characters() -> None:
    """What is copied from a page is ASCII as it was."""
    assert code("'a' -b\n.c ^`~\\") == "\\(aqa\\(aq \\-b\n\\&.c \\(ha\\(ga\\(ti\\(rs"


def test_a_page_is_shown_as_it_was_meant() -> None:
    """Paragraphs, items and examples, with all that roff would take for its own, by the real groff."""
    page = Page("some-page", 5, "a page", "1.0")
    page.heading("FIRST PART")
    page.text("""
        A paragraph which
        goes on.

            $ echo 'a\\n' -n "b"
            .not a request

        Another.
        """)
    page.item('`--what="x"`', ".what it is")

    command = [program("groff"), "-man", "-Tascii", "-ww", "-P-c", "-P-b", "-P-u", "-rLL=60n"]
    done = subprocess.run(command, input=str(page), capture_output=True, text=True, check=True, timeout=60)

    assert not done.stderr
    head, *lines, foot = (line.rstrip() for line in done.stdout.splitlines() if line.strip())
    assert head.split() == ["SOME-PAGE(5)", "echod", "manual", "SOME-PAGE(5)"]
    assert foot.split() == ["echod", "1.0", "SOME-PAGE(5)"]
    assert lines == [
        "NAME",
        "       some-page - a page",
        "FIRST PART",
        "       A paragraph which goes on.",
        "           $ echo 'a\\n' -n \"b\"",
        "           .not a request",
        "       Another.",
        '       --what="x"',
        "              .what it is",
    ]


def test_a_page_names_its_file() -> None:
    """The section is the suffix."""
    assert Page("echod.yaml", 5, "a file", "1.0").file == "echod.yaml.5"
