"""
Why a change did not happen, for who asked for it: problems of the configuration, placed in the form that sent them.

A form knows the settings of one service by their paths in it. Problems elsewhere, in files that somebody else is
changing perhaps, keep their place in a sentence.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from echod.config import ConfigError
from echod.config.addresses import collisions
from echod.config.problems import shown
from echod.config.top import SERVICES_KEY
from echod.config.values import listen as read_listen
from echod.console.refusal import Finding, Refusal
from echod.opening import BindError
from echod.service import StoppingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from echod.config import Config, Listen, Problem

_TAKEN = "is taken by"


def refusal(error: Exception, name: str | None = None, taken: Iterable[Finding] = ()) -> Refusal | None:
    """
    Return what to answer when the configuration did not change; None for a fault of ours.

    :param name: the service that was to change; None for a reload of everything.
    :param taken: addresses of its settings which others have, see `taken_addresses`.
    """
    if isinstance(error, StoppingError):
        return Refusal(503, "the daemon is stopping", headers={"Retry-After": "5"})
    if isinstance(error, BindError):
        return Refusal(409, error.problem.message, (_placed(error.problem, name),))
    if isinstance(error, ConfigError):
        return _of_settings(error, name, tuple(taken))
    if isinstance(error, TimeoutError):
        return Refusal(503, str(error), headers={"Retry-After": "5"})
    return None


def taken_addresses(name: str, settings: Mapping[str, Any], config: Config) -> Iterator[Finding]:
    """Yield the listening addresses in `settings` that others have already, of services and beside them."""
    value = settings.get("listen")
    listens: dict[int, Listen] = {}
    for index, text in enumerate(value if isinstance(value, list) else [value]):
        with suppress(ValueError):
            listens[index] = read_listen(text)
    others: dict[tuple[str, str], tuple[Listen, ...]] = {
        ("", key): (side.listen,) for key, side in config.top.sides.items()
    }
    others |= {(SERVICES_KEY, other): one.listen for other, one in config.services.items() if other != name}
    ours = (SERVICES_KEY, name)
    # The others are in force, and so do not collide with each other.
    for (_, index), (other, _) in collisions([*others.items(), (ours, tuple(listens.values()))]):
        who = "this service" if other == ours else f"service {other[1]}" if other[0] else f"the {other[1]}"
        at = list(listens)[index]
        sentence = f"{shown(listens[at].text)} {_TAKEN} {who}: choose another port or address"
        yield Finding(f"listen[{at}]" if isinstance(value, list) else "listen", sentence)


def _of_settings(error: ConfigError, name: str | None, taken: tuple[Finding, ...]) -> Refusal:
    findings = [_placed(problem, name) for problem in error.problems]
    if taken:
        # Which of two services has the problem depends on the order of their files: ours is the one that is new.
        findings = [*taken, *(each for each in findings if _TAKEN not in each.message)]
        if len(findings) == len(taken):
            return Refusal(409, taken[0].message, taken)
    count = "there is a problem" if len(findings) == 1 else f"there are {len(findings)} problems"
    where = (
        "in the settings" if name is None or any(each.path for each in findings) else "in files of the configuration"
    )
    return Refusal(422, f"{count} {where}: nothing was changed", tuple(findings))


def _placed(problem: Problem, name: str | None) -> Finding:
    """Return a problem with its path in the service; of one that is elsewhere, the sentence says where."""
    if name is None:
        return Finding(problem.path, problem.message, problem)
    own = f"{SERVICES_KEY}.{name}"
    if problem.path == own:
        return Finding("", problem.message, problem)
    if problem.path.startswith(f"{own}."):
        return Finding(problem.path.removeprefix(f"{own}."), problem.message, problem)
    return Finding("", str(problem), problem)
