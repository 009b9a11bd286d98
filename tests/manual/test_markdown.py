"""Tables in Markdown, and their places in a document."""

import pytest

from echod.manual.markdown import renewed, table

DOCUMENT = """# Title
## One
text

| a | b |
|---|---|
| 1 | 2 |

more
## Two
no table
## Three
"""


def test_a_table() -> None:
    """A bar in a cell is escaped, and an empty cell has nothing in it."""
    assert table(("x", ""), [("`a|b`", "c")]) == "| x | |\n|---|---|\n| `a\\|b` | c |\n"


def test_a_table_takes_the_place_of_another() -> None:
    """Only the first table under the heading is replaced."""
    made = renewed(DOCUMENT, {"## One": "| new |\n|---|\n"})

    assert made == DOCUMENT.replace("| a | b |\n|---|---|\n| 1 | 2 |\n", "| new |\n|---|\n")


@pytest.mark.parametrize(
    ("heading", "problem"), [("## Four", "there is no line"), ("## Two", "no table under"), ("## Three", "no table")]
)
def test_without_a_place_nothing_is_replaced(heading: str, problem: str) -> None:
    """The table of another heading is not taken for it."""
    with pytest.raises(ValueError, match=problem):
        renewed(DOCUMENT, {heading: "| new |\n"})
