"""A calculator for echod: it adds up what each peer sends. See own-answer.yaml."""

from echod.answers.answer import Answer, Peer, Said
from echod.answers.own import OwnAnswer


class Adder(OwnAnswer):
    """One peer's sum."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer)
        self.total = 0

    def message(self, data: bytes) -> Said:
        """Add a number written in decimal, and say the sum so far."""
        self.total += int(data)
        return Said(b"%d\n" % self.total)


def adder() -> Answer:
    """Make the answer; `echod verify` sends 2 and wants 2."""
    return Adder.answer(examples={b"2": b"2\n"})
