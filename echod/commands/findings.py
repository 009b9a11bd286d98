"""What `echod verify` found, in words and as JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from echod.commands import status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from echod.client import Proof

RIGHT, WRONG, UNVERIFIED = "right", "wrong", "not verified"


@dataclass(frozen=True)
class Finding:
    """
    What was found at one address of one service.

    :ivar address: as people write it.
    :ivar proofs: of the exams that were held.
    :ivar remark: why there are none; otherwise, what else is to be known.
    """

    service: str
    protocol: str
    address: str
    proofs: Sequence[Proof] = ()
    remark: str = ""

    @property
    def verdict(self) -> str:
        """`right`, `wrong` or `not verified`."""
        if not self.proofs:
            return UNVERIFIED
        return RIGHT if all(proof.verdict.right for proof in self.proofs) else WRONG

    @property
    def reached(self) -> bool:
        """Whether anything was reached there."""
        return any(proof.reached for proof in self.proofs)

    def sentences(self) -> list[str]:
        """Return what to print beside the address: one sentence, or one for each exam that went wrong."""
        if self.verdict == UNVERIFIED:
            return [f"not verified: {self.remark}"]
        wrong = [proof for proof in self.proofs if not proof.verdict.right]
        if not wrong:
            return [f"right ({len(self.proofs)} of {len(self.proofs)})"]
        also = f"; {self.remark}" if self.remark else ""
        return [f"{one.verdict.word}: {one.verdict.why} (exam: {one.exam}{also})" for one in wrong]

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        return {
            "address": self.address,
            "verdict": self.verdict,
            "reached": self.reached,
            "remark": self.remark,
            "exams": [
                {
                    "exam": proof.exam,
                    "right": proof.verdict.right,
                    "word": proof.verdict.word,
                    "why": proof.verdict.why,
                    "reached": proof.reached,
                }
                for proof in self.proofs
            ],
        }


class Report:
    """All findings of one verification."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def services(self) -> dict[str, list[Finding]]:
        """Return the findings by service."""
        made: dict[str, list[Finding]] = {}
        for finding in self.findings:
            made.setdefault(finding.service, []).append(finding)
        return made

    @property
    def status(self) -> int:
        """0 if everything is right, 69 if something was tried and nothing reached, otherwise 1."""
        if all(finding.verdict == RIGHT for finding in self.findings):
            return status.RIGHT
        tried = [finding for finding in self.findings if finding.proofs]
        return status.WRONG if not tried or any(finding.reached for finding in tried) else status.UNAVAILABLE

    def summary(self) -> str:
        """Return the last line: `4 services are right`, or how many are not."""
        verdicts = [_worst(findings) for findings in self.services().values()]
        count = len(verdicts)
        if verdicts.count(RIGHT) == count:
            return "1 service is right" if count == 1 else f"{count} services are right"
        of = f"of {count} service{'' if count == 1 else 's'}"
        if self.status == status.UNAVAILABLE:
            return f"none {of} could be reached"
        wrong, unverified = verdicts.count(WRONG), verdicts.count(UNVERIFIED)
        if not wrong:
            return f"{unverified} {of} {'was' if unverified == 1 else 'were'} not verified"
        rest = f", {unverified} {'was' if unverified == 1 else 'were'} not verified" if unverified else ""
        return f"{wrong} {of} {'is' if wrong == 1 else 'are'} wrong{rest}"

    def as_json(self, file: str) -> dict[str, Any]:
        """Return everything; `file` is where the services are from."""
        return {
            "file": file,
            "right": self.status == status.RIGHT,
            "summary": self.summary(),
            "services": [
                {
                    "service": name,
                    "protocol": findings[0].protocol,
                    "verdict": _worst(findings),
                    "addresses": [finding.as_json() for finding in findings],
                }
                for name, findings in self.services().items()
            ],
        }


def _worst(findings: Sequence[Finding]) -> str:
    verdicts = {finding.verdict for finding in findings}
    return next(verdict for verdict in (WRONG, UNVERIFIED, RIGHT) if verdict in verdicts)
