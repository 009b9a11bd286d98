"""What each path of the interface does, and how it is said in HTTP (design, section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klein import Klein
from twisted.internet.task import deferLater
from werkzeug.exceptions import HTTPException

from echod.answers.choose import framing_for
from echod.commands.send import fit
from echod.console import openapi
from echod.console.catalog import etag
from echod.console.exchange import answer, body_of, conditions_of, json_body, refused, trial_in, unfit
from echod.console.refusal import Finding, Refusal
from echod.console.trying import attempt, bytes_as_json, way

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from echod.console.catalog import Catalog
    from echod.console.changes import Changes, Done
    from echod.console.streams import Streams
    from echod.service import Echod

MOST_TRIES = 8
"""Messages that are being tried at a time."""

SLICE = 0.005
"""Seconds that are spent on an answer before the services have their turn."""


class Api:
    """
    The interface of one daemon.

    :param reactor: connects to the services that are tried.
    :param allowed: returns what tells later whether a request that is let in now still would be.
    """

    app = Klein()

    def __init__(
        self,
        echod: Echod,
        catalog: Catalog,
        changes: Changes,
        streams: Streams,
        reactor: Any,
        allowed: Callable[[], Callable[[], bool]],
    ) -> None:
        self._echod = echod
        self._catalog = catalog
        self._changes = changes
        self._streams = streams
        self._reactor = reactor
        self._allowed = allowed
        self._tries = 0

    @app.route("/api/services", methods=["GET"])
    async def list_services(self, request: Any) -> bytes:
        """List the services; of a thousand, some at a time, between which others have their turn."""
        while True:
            config, began, pieces = self._echod.config, self._reactor.seconds(), []
            for piece in self._catalog.listing():
                pieces.append(piece)
                if self._reactor.seconds() - began >= SLICE:
                    await deferLater(self._reactor, 0)
                    began = self._reactor.seconds()
                    if self._echod.config is not config:
                        # What was listed is not what is served any more.
                        break
            else:
                return json_body(request, b"".join(pieces))

    @app.route("/api/services", methods=["POST"])
    async def make_service(self, request: Any) -> bytes:
        """Make a service."""
        settings = body_of(request)
        name = settings.pop("name", None)
        if name is None:
            sentence = "it is missing: write a name for the service"
            raise Refusal(422, f"name: {sentence}", (Finding("name", sentence),))
        return self._done(request, await self._changes.create(name, settings))

    @app.route("/api/services/<name>", methods=["GET"])
    def get_service(self, request: Any, name: str) -> bytes:
        """Show a service."""
        found = self._catalog.find(name)
        if found is None:
            raise Refusal(404, "there is no such service")
        shown = self._catalog.shown(found)
        request.setHeader(b"ETag", etag(shown).encode())
        return answer(request, shown)

    @app.route("/api/services/<name>", methods=["PUT"])
    async def put_service(self, request: Any, name: str) -> bytes:
        """Give a service other settings, or make it."""
        settings = body_of(request)
        return self._done(request, await self._changes.put(name, settings, conditions_of(request)))

    @app.route("/api/services/<name>", methods=["DELETE"])
    async def remove_service(self, request: Any, name: str) -> bytes:
        """Remove a service."""
        await self._changes.remove(name, conditions_of(request))
        request.setResponseCode(204)
        return b""

    @app.route("/api/services/<name>/try", methods=["POST"])
    async def try_service(self, request: Any, name: str) -> bytes:
        """Send a message to a service."""
        trial = body_of(request)
        running = self._echod.services.get(name)
        if running is None:
            raise Refusal(404, "there is no such service")
        message, index, timeout = trial_in(trial)
        addresses = list(running.addresses())
        if index >= len(addresses):
            raise unfit("address", f"the service has {len(addresses)} addresses, and the first is 0")
        listen, address = addresses[index]
        framing = None if listen.datagram else framing_for(running.settings)
        if listen.datagram and message is None:
            message = b""
        try:
            there = way(listen, address)
        except ValueError as error:
            raise unfit("address", str(error)) from None
        try:
            if message:
                fit(there.target, message, framing)
        except ValueError as error:
            raise unfit("message", str(error)) from None
        if self._tries >= MOST_TRIES:
            raise Refusal(429, f"{MOST_TRIES} messages are being tried already", headers={"Retry-After": "1"})
        self._tries += 1
        try:
            heard = await attempt(self._reactor, there, message, framing, timeout)
        finally:
            self._tries -= 1
        got = heard.answer
        return answer(
            request,
            {
                "address": there.target.text,
                "sent": None if message is None else bytes_as_json(message),
                "answer": None if got is None else {**bytes_as_json(got), "truncated": heard.truncated},
                "seconds": heard.seconds,
                "connect_seconds": heard.connect_seconds,
                "ended": heard.ended,
                "failure": heard.failure and {"word": heard.failure[0], "sentence": heard.failure[1]},
            },
        )

    @app.route("/api/reload", methods=["POST"])
    async def reload(self, request: Any) -> bytes:
        """Read the files anew."""
        plan = await self._changes.reload()
        names = {"kept": plan.kept, "changed": plan.changed, "added": plan.added, "removed": plan.removed}
        counts = {what: len(those) for what, those in names.items()}
        return answer(request, {"summary": str(plan), **counts, "names": names})

    @app.route("/api/openapi.json", methods=["GET"])
    def describe(self, request: Any) -> bytes:
        """Describe all this to programs."""
        return answer(request, openapi.document())

    @app.route("/api/events", methods=["GET"])
    def watch(self, request: Any) -> bytes | Deferred[None]:
        """Tell what happens, as it happens."""
        names = [each.decode("utf-8", "replace") for each in request.args.get(b"service", [])]
        if request.method == b"HEAD":
            request.setHeader(b"Content-Type", b"text/event-stream; charset=utf-8")
            return b""
        return self._streams.open(request, frozenset(names) or None, self._allowed())

    @app.handle_errors(Refusal)
    def refuse(self, request: Any, failure: Failure) -> bytes:
        """Say why not."""
        refusal = failure.value
        assert isinstance(refusal, Refusal)
        return refused(request, refusal)

    @app.handle_errors(HTTPException)
    def no_such_path(self, request: Any, failure: Failure) -> bytes:
        """Say that there is no such path, or that this is not done with it."""
        problem = failure.value
        assert isinstance(problem, HTTPException)
        methods = getattr(problem, "valid_methods", None)
        if methods:
            allowed = ", ".join(sorted(methods))
            return refused(request, Refusal(405, f"what can be done here is {allowed}", headers={"Allow": allowed}))
        return refused(request, Refusal(404, "nothing is served under this path"))

    @app.handle_errors(Exception)
    def fail(self, request: Any, failure: Failure) -> bytes:
        """Say that we failed, not how; the log has it."""
        request.site.failed(failure)
        return refused(request, Refusal(500, "this request failed by a fault of echod's own: see its log"))

    def _done(self, request: Any, done: Done) -> bytes:
        """Show a service that was made or changed."""
        shown = self._catalog.shown(done.entry)
        request.setHeader(b"ETag", etag(shown).encode())
        if done.created:
            request.setResponseCode(201)
            request.setHeader(b"Location", f"/api/services/{done.entry.name}".encode())
        return answer(request, shown)
