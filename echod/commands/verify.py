"""
`echod verify [FILE]`: connect to every service with its own client, and check that it answers as the file says.

Several addresses are tried at a time, and reported in the order of the file.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

from twisted.internet.defer import Deferred, DeferredSemaphore

from echod.client import prove
from echod.commands.addresses import written_listen, written_target
from echod.commands.findings import Finding, Report
from echod.commands.targets import approaches
from echod.config.problems import shown, suggestion
from echod.connect import TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from echod.answers.answer import Answer
    from echod.commands.targets import Approach
    from echod.config import Config, Service

AT_A_TIME = 16
"""Addresses that are tried at a time."""


def chosen(config: Config, names: Sequence[str]) -> list[Service]:
    """
    Return the services of these names, all if there are none.

    :raises ValueError: there is no such service; the message names those that there are.
    """
    for name in names:
        if name not in config.services:
            raise ValueError(
                f"there is no service {shown(name)} in {config.files[0]}: {suggestion(name, config.services)}"
            )
    return [service for name, service in config.services.items() if name in names or not names]


class Verification:
    """
    What is to be verified.

    :param host: takes the place of every IP address, or None.
    :param timeout: seconds for each connection and each answer.
    :raises ValueError: the host is no name and no IP address.
    """

    def __init__(
        self, services: Sequence[Service], answers: Mapping[str, Answer], host: str | None, timeout: float
    ) -> None:
        self._services = services
        self._answers = answers
        self._timeout = timeout
        self._approaches = {service.name: approaches(service, host) for service in services}

    async def run(self, reactor: Any, file: str, out: TextIO, *, as_json: bool) -> int:
        """Verify everything, write the report, and return the exit status."""
        turns: DeferredSemaphore = DeferredSemaphore(AT_A_TIME)
        work = [
            (service, approach, turns.run(self._prove, reactor, service, approach))
            for service in self._services
            for approach in self._approaches[service.name]
        ]
        report = Report()
        names = max(len(service.name) for service in self._services)
        addresses = max(len(_written(approach)) for _, approach, _ in work)
        try:
            for _, _, finding in work:
                found = await finding
                report.findings.append(found)
                if not as_json:
                    start = f"{found.service:{names}}  {found.address:{addresses}}  "
                    out.writelines(f"{start}{sentence}\n" for sentence in found.sentences())
                    out.flush()
        finally:
            for _, _, finding in work:
                finding.addErrback(lambda _: None)
                finding.cancel()
        out.write(json.dumps(report.as_json(file), indent=2) if as_json else report.summary())
        out.write("\n")
        return report.status

    def _prove(self, reactor: Any, service: Service, approach: Approach) -> Deferred[Finding]:
        return Deferred.fromCoroutine(self._finding(reactor, service, approach))

    async def _finding(self, reactor: Any, service: Service, approach: Approach) -> Finding:
        address = _written(approach)
        if approach.target is None:
            return Finding(service.name, service.protocol, address, remark=approach.remark)
        answer = self._answers[service.name]
        try:
            proofs = await prove(reactor, service, answer, approach.target, self._timeout, approach.certificate)
        except TargetError as problem:
            # Such as an endpoint plugin that is not installed here.
            return Finding(service.name, service.protocol, address, remark=str(problem))
        # The line begins with the address already.
        start = f"{approach.target.text}: "
        proofs = [replace(one, verdict=replace(one.verdict, why=one.verdict.why.removeprefix(start))) for one in proofs]
        remark = approach.remark if proofs else "nothing can be asked that would prove it"
        return Finding(service.name, service.protocol, address, proofs, remark)


def _written(approach: Approach) -> str:
    if approach.target is not None:
        return written_target(approach.target)
    assert approach.listen is not None
    return written_listen(approach.listen)
