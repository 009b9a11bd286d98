"""What is right in a configuration but may not be meant, or cannot be proven. Pure: sentences for `echod check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echod.answers.reply import Reply
from echod.config.listen import address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from echod.answers.answer import Answer
    from echod.config import Config, Listen, Service

_IP_KINDS = frozenset({"tcp", "tcp6", "ssl", "udp", "udp6"})


def notes(config: Config, answers: Mapping[str, Answer]) -> list[str]:
    """
    Return the notes: of the services in their order, and then of what is served beside them.

    Each begins with the setting that it is about.

    :param answers: of the services, by their names.
    """
    found = [note for service in config.services.values() for note in _of_service(service, answers[service.name])]
    for key, side in config.top.sides.items():
        found += [f"{key}.listen: {side.listen.text} {note}" for note in _of_listen(side.listen, known=True)]
    return found


def _of_service(service: Service, answer: Answer) -> Iterator[str]:
    where = f"services.{service.name}"
    known = service.connect is not None
    for listen in service.listen:
        yield from (f"{where}.listen: {listen.text} {note}" for note in _of_listen(listen, known=known))
    if isinstance(answer, Reply):
        for rule in answer.unproven():
            index = answer.rules.index(rule)
            yield (
                f"{where}.rules[{index}]: `echod verify` knows no request that reaches this rule "
                f"({rule.describe()}): give it an example that no rule before it answers"
            )


def _of_listen(listen: Listen, *, known: bool) -> Iterator[str]:
    if listen.kind == "systemd":
        yield "is a socket of systemd's: which address it has is known only when systemd starts the daemon"
        return
    if listen.kind not in _IP_KINDS:
        return
    ip = address(listen.host) if listen.host else None
    if not listen.host:
        loopback = r"\:\:1" if listen.kind.endswith("6") else "127.0.0.1"
        family = "every address" if listen.kind.endswith("6") else "every IPv4 address"
        yield (
            f"names no interface, so it listens on {family} of this machine: "
            f"for this machine alone add interface={loopback}"
        )
    if (not listen.host and listen.kind.endswith("6")) or (ip is not None and ip.version == 6 and ip.is_unspecified):
        yield "takes IPv4 as well, as ::ffff:a.b.c.d, unless the kernel is told otherwise (net.ipv6.bindv6only)"
    if listen.port == 0:
        cure = "" if known else ", and `echod verify` cannot know it"
        yield f"leaves the port to the kernel: the log tells it at the start{cure}"
