"""
Reply: what the file says to what the file names (design, section 3; it grew from the tutorial's `hi` to `hello`).

Rules are tried in order and the first that matches answers; a rule without condition matches always. A rule with
several replies gives them in turn to each peer, and repeats the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from echod.answers.answer import SILENCE, Answer, Conversation, Path, Peer, Said, World
from echod.answers.exam import Exactly, Exam, Then

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from echod.answers.exam import Matcher
    from echod.answers.template import Template
    from echod.answers.when import When

ANY_REQUEST = b"hello"
"""What a client sends to prove a rule without condition and without example: the tutorial's word."""


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One rule.

    :ivar when: the condition; None matches every message.
    :ivar replies: the answers in turn; empty for silence.
    :ivar then: what happens to a stream when the answer has left.
    :ivar example: the request that proves the rule, where the condition cannot give one.
    """

    when: When | None
    replies: tuple[Template, ...]
    then: Then = Then.KEEP
    example: bytes | None = None

    def request(self, anything: bytes) -> bytes | None:
        """
        Return the message with which a client proves this rule, or None when it has none.

        :param anything: the message for a rule without condition.
        """
        if self.example is not None:
            return self.example
        return anything if self.when is None else self.when.example

    def describe(self) -> str:
        """Name it in a report."""
        return "the default rule" if self.when is None else self.when.describe()


class Reply:
    """
    The answer of `protocol: reply`.

    :param service: the service's name, for `{service}`.
    :param rules: tried in order.
    :param greeting: said when a stream opens, or None.
    :param world: clock, UUIDs and host name for the variables.
    :param anything: what a client sends to prove a rule without condition and without example.
    """

    reflects = False

    def __init__(
        self,
        service: str,
        rules: Sequence[Rule],
        greeting: Template | None,
        world: World,
        anything: bytes = ANY_REQUEST,
    ) -> None:
        self.service = service.encode()
        self.rules = tuple(rules)
        self.greeting = greeting
        self.world = world
        self.anything = anything
        counts = any("count" in t.names for rule in rules for t in rule.replies)
        self.remembers = counts or any(len(rule.replies) > 1 for rule in rules)

    def open(self, peer: Peer) -> Conversation:
        """Begin to talk with a peer."""
        return ReplyConversation(self, peer)

    def find(self, message: bytes) -> tuple[Rule, Mapping[str, bytes]] | None:
        """Return the first rule that matches a message, and the groups of its regular expression."""
        for rule in self.rules:
            if rule.when is None:
                return rule, {}
            groups = rule.when.match(message)
            if groups is not None:
                return rule, groups
        return None

    def unproven(self) -> list[Rule]:
        """Return the rules that no client proves: no request is known which reaches them."""
        return [rule for rule in self.rules if not self._reaches(rule)]

    def exams(self, path: Path) -> Sequence[Exam]:
        """Prove each rule by a request of its own and the first reply to it; each exam is a new peer."""
        exams = [self._exam(rule, path) for rule in self.rules if self._reaches(rule)]
        if not exams:
            return [Exam("greeting", None, None, greeting=self._greeting(path))]
        return exams

    def _reaches(self, rule: Rule) -> bool:
        """Tell whether the rule's request is answered by this rule and not by one before it."""
        request = rule.request(self.anything)
        found = None if request is None else self.find(request)
        return found is not None and found[0] is rule

    def _greeting(self, path: Path) -> Matcher | None:
        """Return the client's judge of the greeting, where there is one."""
        if self.greeting is None or path is Path.DATAGRAM:
            return None
        return self.greeting.matcher({"service": self.service, "message": b"", "count": b"0"})

    def _exam(self, rule: Rule, path: Path) -> Exam:
        request = rule.request(self.anything)
        assert request is not None
        found = self.find(request)
        assert found is not None
        # A group hides a variable of its name, as it does in the server.
        known = {"message": request, "service": self.service, "count": b"1", **found[1]}
        reply: Matcher | None = None
        if rule.replies:
            template = rule.replies[0]
            certain = template.names <= known.keys()
            reply = Exactly(template.render(known)) if certain else template.matcher(known)
        then = Then.KEEP if path is Path.DATAGRAM else rule.then
        return Exam(rule.describe(), request, reply, greeting=self._greeting(path), then=then)


class ReplyConversation:
    """One peer's talk: counts its messages, and which reply of a list comes next."""

    endless = False

    def __init__(self, answer: Reply, peer: Peer) -> None:
        self._answer = answer
        self._peer = peer
        self._count = 0
        self._turns: dict[int, int] = {}

    def opened(self) -> Said:
        """Say the greeting."""
        greeting = self._answer.greeting
        return SILENCE if greeting is None else Said(self._render(greeting, b"", {}))

    def message(self, data: bytes) -> Said:
        """Answer by the first rule that matches, or stay silent."""
        self._count += 1
        found = self._answer.find(data)
        if found is None:
            return SILENCE
        rule, groups = found
        if not rule.replies:
            return Said(None, rule.then)
        turn = self._turns.get(id(rule), 0)
        if turn + 1 < len(rule.replies):
            self._turns[id(rule)] = turn + 1
        return Said(self._render(rule.replies[turn], data, groups), rule.then)

    def more(self) -> bytes:
        """Say nothing unasked."""
        return b""

    def _render(self, template: Template, message: bytes, groups: Mapping[str, bytes]) -> bytes:
        """Put the values in; only those the template names are made."""
        names = template.names
        if not names:
            return template.render({})
        values = {name: groups[name] if name in groups else self._value(name, message) for name in names}
        return template.render(values)

    def _value(self, name: str, message: bytes) -> bytes:
        """Make the value of one of `echod.answers.template.VARIABLES`."""
        if name == "message":
            return message
        return _VALUES[name](self._answer, self._peer, self._count).encode()


def iso_time(seconds: float) -> str:
    """Write seconds since 1970 as ISO 8601 in UTC with microseconds: `2026-01-31T12:00:00.000000Z`."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_VALUES: dict[str, Callable[[Reply, Peer, int], str]] = {
    "peer.host": lambda _answer, peer, _count: peer.host,
    "peer.port": lambda _answer, peer, _count: str(peer.port),
    "local.host": lambda _answer, peer, _count: peer.local_host,
    "local.port": lambda _answer, peer, _count: str(peer.local_port),
    "service": lambda answer, _peer, _count: answer.service.decode(),
    "count": lambda _answer, _peer, count: str(count),
    "time": lambda answer, _peer, _count: iso_time(answer.world.clock()),
    "uuid": lambda answer, _peer, _count: answer.world.uuid(),
    "hostname": lambda answer, _peer, _count: answer.world.hostname,
}

_conforms: type[Answer] = Reply
