"""`echod send ENDPOINT [MESSAGE|-]`: send one message, and write the answer to standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from echod.client import TalkError, ask
from echod.commands import status
from echod.commands.payload import MOST_DATAGRAM

if TYPE_CHECKING:
    from echod.config import Target
    from echod.framing import Framing


def fit(target: Target, message: bytes, framing: Framing | None) -> None:
    """
    Check that a message can be sent to a target.

    :raises ValueError: it cannot; the message says why.
    """
    if target.datagram:
        if framing is not None:
            raise ValueError(f"a datagram is a message: leave out --framing, or send to tcp: instead of {target.kind}:")
        if len(message) > MOST_DATAGRAM:
            raise ValueError(f"the message has {len(message):,} bytes; a datagram holds at most {MOST_DATAGRAM:,}")
    elif framing is not None:
        framing.encode(message)
    elif not message:
        raise ValueError("the message is empty: over a stream without --framing nothing would be sent")


async def send(
    reactor: Any,
    target: Target,
    message: bytes,
    framing: Framing | None,
    timeout: float,
    out: BinaryIO,
    err: TextIO,
    *,
    as_hex: bool,
) -> int:
    """
    Send a message, write its answer, and return the exit status.

    The answer's bytes are written as they are; on a terminal a missing newline is added. As hex they are a line.

    :param timeout: seconds to connect, and seconds for the answer.
    :raises echod.connect.TargetError: the target cannot be used.
    """
    try:
        answer = await ask(reactor, target, message, framing, timeout)
    except TalkError as failure:
        sentence = failure.sentence.removeprefix(f"{target.text}: ")
        err.write(f"{failure.word}: {target.text}: {sentence}\n")
        return status.WRONG if failure.reached else status.UNAVAILABLE
    if as_hex:
        answer = answer.hex(" ").encode() + b"\n"
    elif out.isatty() and not answer.endswith(b"\n"):
        answer += b"\n"
    out.write(answer)
    out.flush()
    return status.RIGHT
