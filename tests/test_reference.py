"""The tables of README.md are those of the manual, which has them from the models."""

from pathlib import Path

import pytest

from echod.manual import markdown
from echod.manual.readme import TABLES

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("heading", TABLES)
def test_the_table_is_what_the_models_say(heading: str) -> None:
    """Every setting is there once, with its default and meaning, and nothing else is; so for the other tables."""
    text = README.read_text(encoding="utf-8")

    assert markdown.renewed(text, {heading: TABLES[heading]}) == text, (
        "renew it with: python -m echod.manual --readme README.md"
    )
