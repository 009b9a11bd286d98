"""
Services are made, changed and removed: one change at a time, each wholly or not at all.

The way of a change: the new file is written beside its place and synced; the daemon reads the configuration with it,
binds what is new, and only then the file takes its place, in the moment in which everything changes. A daemon that is
killed before that moment starts again as it was, and after it with what has been proved to work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from echod.config.model import service_name
from echod.console.catalog import etag
from echod.console.exposed import refused
from echod.console.faults import refusal, taken_addresses
from echod.console.refusal import Finding, Refusal
from echod.console.writing import written

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from echod.console.catalog import Catalog, Entry
    from echod.console.conditions import Conditions
    from echod.console.store import Store
    from echod.plan import Plan
    from echod.service import Echod

T = TypeVar("T")

MOST_WAITING = 16
"""Changes that may wait for their turn."""


@dataclass(frozen=True)
class Done:
    """A service as it is after its change, and whether it is new."""

    entry: Entry
    created: bool


class Changes:
    """
    Changes of one daemon.

    :param aside: runs what blocks, in a thread perhaps.
    :param told: called when the configuration has changed.
    """

    _log = Logger()

    def __init__(
        self,
        echod: Echod,
        catalog: Catalog,
        aside: Callable[..., Deferred[Any]],
        told: Callable[[], object],
    ) -> None:
        self._echod = echod
        self._catalog = catalog
        self._aside = aside
        self._told = told
        self._turn = DeferredLock()

    def create(self, name: str, settings: Mapping[str, Any]) -> Deferred[Done]:
        """Make a service; there must not be one of this name."""
        return self._in_turn(self._create(name, settings))

    def put(self, name: str, settings: Mapping[str, Any], conditions: Conditions) -> Deferred[Done]:
        """Make a service, or give one other settings, which takes a condition."""
        return self._in_turn(self._put(name, settings, conditions))

    def remove(self, name: str, conditions: Conditions) -> Deferred[None]:
        """Remove a service."""
        return self._in_turn(self._remove(name, conditions))

    def reload(self) -> Deferred[Plan]:
        """Read the files anew."""
        return self._in_turn(self._reload())

    def _in_turn(self, work: Coroutine[Any, Any, T]) -> Deferred[T]:
        """Do one thing after another; who asked may leave, which stops nothing."""
        if len(self._turn.waiting) >= MOST_WAITING:
            work.close()
            raise Refusal(503, "too many changes are waiting for their turn", headers={"Retry-After": "1"})
        answer: Deferred[T] = Deferred()
        done: Deferred[T] = self._turn.run(lambda: Deferred.fromCoroutine(work))
        done.addBoth(answer.callback)
        return answer

    async def _create(self, name: str, settings: Mapping[str, Any]) -> Done:
        _check_name(name)
        found = self._catalog.find(name)
        if found is not None:
            raise Refusal(
                409,
                f"there is a service {name} in {found.file}:{found.line} already: choose another name",
                (Finding("name", f"the name is taken by the service in {found.file}:{found.line}"),),
            )
        return await self._write(name, settings, None)

    async def _put(self, name: str, settings: Mapping[str, Any], conditions: Conditions) -> Done:
        _check_name(name)
        found = self._expected(name, conditions)
        if found is not None and conditions.match is None:
            sentence = "send If-Match with the ETag of the version that you change, or * for whichever there is"
            raise Refusal(428, sentence)
        return await self._write(name, settings, found)

    async def _remove(self, name: str, conditions: Conditions) -> None:
        found = self._expected(name, conditions)
        if found is None:
            raise Refusal(404, "there is no such service")
        store = self._catalog.store
        await self._change(store, found, None, ())
        await self._settled(store)

    async def _reload(self) -> Plan:
        try:
            return await self._echod.reload()
        except Exception as error:
            answer = refusal(error)
            if answer is None:
                raise
            raise answer from error
        finally:
            self._told()

    def _expected(self, name: str, conditions: Conditions) -> Entry | None:
        """Return the service, None if there is none; a refusal if it is not as expected, or not the console's."""
        found = self._catalog.find(name)
        conditions.check(None if found is None else etag(self._catalog.shown(found)))
        if found is not None and found.reason is not None:
            raise Refusal(409, f"{name} cannot be changed here: {found.reason}")
        return found

    async def _write(self, name: str, settings: Mapping[str, Any], found: Entry | None) -> Done:
        store = self._catalog.store
        exposed = tuple(refused(settings))
        if exposed:
            raise Refusal(422, exposed[0].message, exposed)
        taken = tuple(taken_addresses(name, settings, self._echod.config))
        raw: bytes = await self._aside(written, name, settings)
        try:
            await self._stage(store, name, raw)
            await self._change(store, found or name, raw, taken)
        finally:
            store.discard(name)
        await self._settled(store)
        entry = self._catalog.find(name)
        assert entry is not None, "it has just been made"
        return Done(entry, created=found is None)

    async def _stage(self, store: Store, name: str, raw: bytes) -> None:
        try:
            await self._aside(store.stage, name, raw)
        except OSError as error:
            raise _unwritable(store, error) from error

    async def _change(self, store: Store, what: Entry | str, raw: bytes | None, taken: tuple[Finding, ...]) -> None:
        """Go over to the configuration with other bytes, or none, in the file of a service."""
        name, before = (what, None) if isinstance(what, str) else (what.name, what.raw)

        def persist() -> None:
            """Let the file take its place, unless somebody else has been there."""
            _check_untouched(store, name, before)
            try:
                store.drop(name) if raw is None else store.put(name)
            except OSError as error:
                raise _unwritable(store, error) from error

        _check_untouched(store, name, before)
        try:
            await self._echod.change({store.key(name): raw}, persist)
        except Exception as error:
            answer = refusal(error, name, taken)
            if answer is None:
                raise
            raise answer from error
        finally:
            self._told()

    async def _settled(self, store: Store) -> None:
        """Wait until it is on the disk that the file is in its place."""
        try:
            await self._aside(store.sync)
        except OSError as error:
            self._log.error(
                "{folder}: the last change is in force, but may not be on the disk: {reason}",
                folder=str(store.folder),
                reason=error.strerror,
            )
            raise Refusal(500, "it is in force, but the disk did not confirm that it is kept") from error


def _check_name(name: str) -> None:
    try:
        service_name(name)
    except ValueError as error:
        raise Refusal(422, str(error), (Finding("name", str(error)),)) from None


def _check_untouched(store: Store, name: str, before: bytes | None) -> None:
    """Refuse to overwrite what somebody else wrote to the file since it was loaded."""
    path = store.path(name)
    try:
        present = store.read(name)
    except ValueError as error:
        raise Refusal(409, f"{error}: look at it there") from None
    if present != before:
        if before is None:
            raise Refusal(409, f"the file {path} exists, and is not this service's: move it away, or reload")
        raise Refusal(409, f"the file {path} was changed by hand since it was loaded: reload, and look again")


def _unwritable(store: Store, error: OSError) -> Refusal:
    return Refusal(409, f"{store.folder} cannot be written to: {error.strerror or error}")
