"""What `echod verify` reports."""

from __future__ import annotations

import pytest

from echod.answers.exam import RIGHT, Verdict
from echod.client import Proof
from echod.commands.findings import Finding, Report

GOOD = Proof("the default rule", RIGHT)
BAD = Proof("rule a", Verdict(right=False, word="mismatch", why="said 'x'; 'y' was expected"))
DEAD = Proof("5 bytes", Verdict(right=False, word="refused", why="nothing listens there"), reached=False)


def finding(service: str, *proofs: Proof, remark: str = "") -> Finding:
    """Make a finding."""
    return Finding(service, "echo", "tcp 127.0.0.1:7", proofs, remark)


def report(*findings: Finding) -> Report:
    """Make a report."""
    made = Report()
    made.findings.extend(findings)
    return made


@pytest.mark.parametrize(
    ("found", "sentences"),
    [
        (finding("a", GOOD), ["right (1 of 1)"]),
        (finding("a", GOOD, GOOD, remark="not said"), ["right (2 of 2)"]),
        (finding("a", GOOD, BAD), ["mismatch: said 'x'; 'y' was expected (exam: rule a)"]),
        (finding("a", remark="no port"), ["not verified: no port"]),
        (finding("a", DEAD, remark="by trust"), ["refused: nothing listens there (exam: 5 bytes; by trust)"]),
        (finding("a", BAD, BAD), ["mismatch: said 'x'; 'y' was expected (exam: rule a)"] * 2),
    ],
)
def test_sentences(found: Finding, sentences: list[str]) -> None:
    """One sentence for what is right, one for each exam that is wrong."""
    assert found.sentences() == sentences


@pytest.mark.parametrize(
    ("made", "status", "summary"),
    [
        (report(finding("a", GOOD)), 0, "1 service is right"),
        (report(finding("a", GOOD), finding("b", GOOD)), 0, "2 services are right"),
        (report(finding("a", GOOD), finding("a", GOOD)), 0, "1 service is right"),
        (report(finding("a", GOOD), finding("a", BAD)), 1, "1 of 1 service is wrong"),
        (report(finding("a", GOOD), finding("b", DEAD)), 1, "1 of 2 services is wrong"),
        (report(finding("a", DEAD), finding("b", DEAD)), 69, "none of 2 services could be reached"),
        (report(finding("a", DEAD), finding("b")), 69, "none of 2 services could be reached"),
        (report(finding("a"), finding("b")), 1, "2 of 2 services were not verified"),
        (report(finding("a", GOOD), finding("b")), 1, "1 of 2 services was not verified"),
        (report(finding("a", BAD), finding("b")), 1, "1 of 2 services is wrong, 1 was not verified"),
    ],
)
def test_summary(made: Report, status: int, summary: str) -> None:
    """The status is 0 only when everything was verified and is right, 69 when nothing was reached."""
    assert (made.status, made.summary()) == (status, summary)


def test_json() -> None:
    """The document has everything."""
    made = report(finding("a", GOOD, BAD), finding("b", remark="no port")).as_json("echod.yaml")

    assert made == {
        "file": "echod.yaml",
        "right": False,
        "summary": "1 of 2 services is wrong, 1 was not verified",
        "services": [
            {
                "service": "a",
                "protocol": "echo",
                "verdict": "wrong",
                "addresses": [
                    {
                        "address": "tcp 127.0.0.1:7",
                        "verdict": "wrong",
                        "reached": True,
                        "remark": "",
                        "exams": [
                            {"exam": "the default rule", "right": True, "word": "", "why": "", "reached": True},
                            {
                                "exam": "rule a",
                                "right": False,
                                "word": "mismatch",
                                "why": "said 'x'; 'y' was expected",
                                "reached": True,
                            },
                        ],
                    }
                ],
            },
            {
                "service": "b",
                "protocol": "echo",
                "verdict": "not verified",
                "addresses": [
                    {
                        "address": "tcp 127.0.0.1:7",
                        "verdict": "not verified",
                        "reached": False,
                        "remark": "no port",
                        "exams": [],
                    }
                ],
            },
        ],
    }
