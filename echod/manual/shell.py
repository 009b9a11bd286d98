"""What the completions of all shells share. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from echod.config import load

if TYPE_CHECKING:
    from collections.abc import Mapping

MADE: Final = "Made by python -m echod.manual: change what it is made from, not this."

# The keys one level below `services:`, as far as indentation tells. Included files are not followed: the names are a
# help in typing, and `echod verify` knows which there are.
AWK: Final = (
    r"/^services:/ { inside = 1; next } "
    r"/^[^ #]/ { inside = 0 } "
    r"inside && /^ +[^ #]/ { match($0, /^ +/); if (!depth) depth = RLENGTH; "
    r'if (RLENGTH == depth && sub(/:.*/, "")) { gsub(/[ \042\047]/, ""); print } }'
)
"""Prints the names of the services of a file in awk(1); it has no single quote, so that it can stand between two."""

_BLANK = re.compile(r"@([A-Z]+)@")


def embedded() -> str:
    """Return the names of the services in the embedded example, as words."""
    return " ".join(load(None, {}).services)


def filled(template: str, texts: Mapping[str, str]) -> str:
    """Return a template in which each `@NAME@` is replaced; nothing in what replaces it is."""
    return _BLANK.sub(lambda found: texts[found[1]], template)
