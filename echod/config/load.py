"""
Files become a `Config`, or every problem in them.

The way: bytes, tree (`text`), variables and files (`gather`), defaults, models, and then what only all
services together can get wrong.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from echod.config.addresses import collisions
from echod.config.config import Config, Place
from echod.config.defaults import merged, protocol_name
from echod.config.faults import faults, missing
from echod.config.gather import Gatherer
from echod.config.model import Service, model_for
from echod.config.nodes import Entry, Items, Scalar, Table, plain
from echod.config.problems import Problem, ProblemList, TooManyProblems, dotted, shown
from echod.config.top import SERVICES_KEY, TopLevel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from echod.config.faults import Fault
    from echod.config.gather import Found
    from echod.config.listen import Listen
    from echod.config.misfit import Where
    from echod.config.nodes import Node


def load(
    path: Path | None,
    environ: Mapping[str, str],
    overlay: Mapping[str, bytes | None] = MappingProxyType({}),
    *,
    again: bool = False,
) -> Config:
    """
    Read the configuration in `path`, or the embedded default if it is `None`, and all that it includes.

    `environ` fills `${NAME}`. `overlay` has bytes to read instead of those of files in the console's directory, by
    their names, and `None` for those that are to be gone. What is read `again` cannot be a pipe. Raises `ConfigError`
    with every problem that was found.
    """
    problems = ProblemList()
    try:
        gathered = Gatherer(environ, problems, overlay, again=again)
        config = _load(path, gathered, problems)
    except TooManyProblems:
        config = None
    if config is None:
        raise problems.error()
    return config


def _load(path: Path | None, gathered: Gatherer, problems: ProblemList) -> Config | None:
    """Return the configuration, or `None` when there are problems."""
    gathered.main(path)
    main = gathered.files[0]
    top = _top_level(gathered.top, main, problems)
    entry = gathered.top.entries.get("defaults")
    defaults = entry.node if entry is not None and isinstance(entry.node, Table) else Table(1, 1)
    services: dict[str, Service] = {}
    for name, found in gathered.services.items():
        service = _service(name, found, defaults, main, problems)
        if service is not None:
            services[name] = service
    if gathered.whole and not gathered.services and "console" not in gathered.top.entries:
        message = "there is no service: write services: and under it NAME: and settings"
        problems.add(Problem(main, 1, 1, SERVICES_KEY, message))
    places = _places(gathered, main)
    _collide(services, top, places, problems)
    if top is None or len(problems):
        return None
    return Config(MappingProxyType(services), top, tuple(gathered.files), MappingProxyType(places), gathered.own)


def _top_level(table: Table, file: str, problems: ProblemList) -> TopLevel | None:
    """Return the top level without its services, or `None` after reporting what is wrong with it."""
    data = {key: plain(entry.node) for key, entry in table.entries.items() if key != SERVICES_KEY}
    try:
        return TopLevel.model_validate(data)
    except ValidationError as error:
        for fault in faults(error, TopLevel, table, table):
            problems.add(Problem(file, fault.line, fault.column, dotted(fault.path), fault.message))
        return None


def _service(name: str, found: Found, defaults: Table, main: str, problems: ProblemList) -> Service | None:
    """One service, or `None` after reporting what is wrong with it."""
    where: Where = (SERVICES_KEY, name)
    before = len(problems)

    def note(at: Entry | Node | Fault, path: Where, message: str) -> None:
        """Add a problem of this service."""
        problems.add(Problem(found.file, at.line, at.column, dotted((*where, *path)), message))

    own = found.table
    if "name" in own.entries:
        note(
            own.entries["name"],
            ("name",),
            "the name of a service is the key above its settings: remove this line",
        )
        own = Table(own.line, own.column, {key: entry for key, entry in own.entries.items() if key != "name"})
    model, node, sentence = _model(own, defaults)
    if model is None:
        known_already = isinstance(node, Scalar) and node.value is None
        if not known_already and ("protocol" in own.entries or node is None):
            note(node or found.entry, ("protocol",), sentence)
        # What every service has can be checked without knowing what it answers.
        model = Service
        known = {key: entry for key, entry in own.entries.items() if key in Service.model_fields}
        own = Table(own.line, own.column, known | {"protocol": Entry(1, 1, Scalar("?", 1, 1))})
    root = merged(own, defaults, model)
    try:
        service = model.model_validate(plain(root) | {"name": name})
    except ValidationError as error:
        for fault in faults(error, model, root, found.entry):
            path = fault.path
            if path == ("name",):
                note(found.entry, (), fault.message)
            elif _defaulted(path, root, defaults):
                problems.add(Problem(main, fault.line, fault.column, dotted(("defaults", *path)), fault.message))
            else:
                note(fault, path, fault.message)
        return None
    return service if len(problems) == before else None


def _model(own: Table, defaults: Table) -> tuple[type[Service] | None, Node | None, str]:
    """Return the model for the protocol of a service; without one, the node and the sentence that say why."""
    entry = own.entries.get("protocol") or defaults.entries.get("protocol")
    if entry is None:
        return None, None, missing("protocol")
    value = plain(entry.node)
    try:
        return model_for(protocol_name(value)), None, ""
    except ValueError as error:
        return None, entry.node, str(error)


def _defaulted(path: Where, root: Table, defaults: Table) -> bool:
    """Whether the setting at `path` of a merged service is one of the defaults."""
    ours: Node = root
    theirs: Node = defaults
    for part in path[:2]:
        if not (isinstance(ours, Table) and isinstance(theirs, Table) and isinstance(part, str)):
            return False
        mine, given = ours.entries.get(part), theirs.entries.get(part)
        if mine is None or given is None:
            return False
        if mine is given:
            return True
        ours, theirs = mine.node, given.node
    return False


def _places(gathered: Gatherer, main: str) -> dict[str, Place]:
    """Where every setting of every service stands, and those of the top level, by their paths."""
    places: dict[str, Place] = {}

    def add(path: str, node: Node, at: Entry | Node, file: str) -> None:
        """One setting and all in it; a single value stands at itself, others at their key."""
        place = node if isinstance(node, Scalar) else at
        places[path] = Place(file, place.line, place.column)
        if isinstance(node, Table):
            for key, entry in node.entries.items():
                add(f"{path}.{key}", entry.node, entry, file)
        elif isinstance(node, Items):
            for index, item in enumerate(node.items):
                add(f"{path}[{index}]", item, item, file)

    for key, entry in gathered.top.entries.items():
        if key == SERVICES_KEY:
            places[key] = Place(main, entry.line, entry.column)
        else:
            add(key, entry.node, entry, main)
    for name, found in gathered.services.items():
        add(f"{SERVICES_KEY}.{name}", found.table, found.entry, found.file)
    return places


def _collide(
    services: Mapping[str, Service], top: TopLevel | None, places: Mapping[str, Place], problems: ProblemList
) -> None:
    """Report every address that an earlier one has already."""
    sides = {} if top is None else top.sides
    listens: dict[tuple[str, str], tuple[Listen, ...]] = {("", key): (one.listen,) for key, one in sides.items()}
    listens |= {(SERVICES_KEY, name): one.listen for name, one in services.items()}
    for (whose, index), (other, first) in collisions(listens.items()):
        path, earlier_path = _listen_path(whose, index, places), _listen_path(other, first, places)
        place, earlier = places[path], places[earlier_path]
        what = "this service" if whose == other else f"service {other[1]}" if other[0] else f"the {other[1]}"
        message = (
            f"{shown(listens[whose][index].text)} is taken by {what} in {earlier.file}:{earlier.line}"
            f" ({listens[other][first].text[:60]}): give one of them another port or address"
        )
        problems.add(Problem(place.file, place.line, place.column, path, message))


def _listen_path(whose: tuple[str, str], index: int, places: Mapping[str, Place]) -> str:
    """Return the path of one listening address, which may be written without a list."""
    path = f"{'.'.join(filter(None, whose))}.listen"
    return f"{path}[{index}]" if f"{path}[{index}]" in places else path
