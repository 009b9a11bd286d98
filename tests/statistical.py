"""Tests of figures which a busy machine can spoil: tried again, a stated number of times, as NSD and Unbound do."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import ParamSpec

    P = ParamSpec("P")

R = TypeVar("R")


def best_of(tries: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """
    Let a test pass when one of so many tries does.

    Only for what depends on the machine's load: a promise that is broken is broken each time.
    """

    def decorate(test: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(test)
        def tried(*args: P.args, **kwargs: P.kwargs) -> R:
            for left in range(tries - 1, 0, -1):
                try:
                    return test(*args, **kwargs)
                except AssertionError as problem:  # noqa: PERF203 - that is what it is for
                    print(f"failed, with {left} tries left: {problem}")
            return test(*args, **kwargs)

        return tried

    return decorate
