"""
The `echod` command: reads the command line, and hands over to `echod.commands`.

What a command needs is imported when it is asked for, so that `echod --version` does not wait for Twisted. Only here is
the reactor imported, and passed on.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from echod.commands import status
from echod.commands.words import parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Coroutine, Sequence

    from twisted.internet.defer import Deferred

    from echod.config import Target


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command and return its exit status.

    :param argv: the words after `echod`; None for those of this process.
    """
    # While a command is loaded nothing becomes garbage, and most are over then: looking for some is a sixth of it.
    gc.disable()
    _open_missing_streams()
    try:
        result = _run(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads on, as after `| head -1`; Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status.BROKEN_PIPE
    except KeyboardInterrupt:
        return status.INTERRUPTED
    except OSError as problem:
        sys.stderr.write(f"echod: input or output failed: {problem.strerror or problem}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status.IO_ERROR
    return result


def _run(argv: Sequence[str] | None) -> int:
    """Read the words and run the command they name."""
    try:
        words = parser(_COMMANDS).parse_args(argv)
        result: int = words.run(words)
    except SystemExit as leaving:
        # argparse is done: 0 after help, 2 after it has explained what is wrong.
        return leaving.code if isinstance(leaving.code, int) else status.USAGE
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - the status must tell a fault of ours from an answer that is wrong
        traceback.print_exc()
        return status.SOFTWARE
    return result


def _check(words: argparse.Namespace) -> int:
    from echod.commands.check import check  # noqa: PLC0415

    return check(words.file, os.environ, sys.stdout, sys.stderr)


def _verify(words: argparse.Namespace) -> int:
    from echod.answers.choose import answers_for  # noqa: PLC0415
    from echod.commands.configuration import read  # noqa: PLC0415
    from echod.commands.verify import Verification, chosen  # noqa: PLC0415
    from echod.config import ConfigError  # noqa: PLC0415
    from echod.tap import world  # noqa: PLC0415

    try:
        config = read(words.file, os.environ)
        made = answers_for(config, world())
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return status.CONFIG
    try:
        verification = Verification(chosen(config, words.service), made, words.host, words.timeout)
    except ValueError as problem:
        return _refuse(words, problem)
    return _in_reactor(lambda reactor: verification.run(reactor, config.files[0], sys.stdout, as_json=words.json))


def _send(words: argparse.Namespace) -> int:
    from echod.commands import arguments  # noqa: PLC0415
    from echod.commands.send import fit, send  # noqa: PLC0415
    from echod.connect import TargetError  # noqa: PLC0415

    try:
        target = _target(words)
    except ValueError as problem:
        return _refuse(words, problem)
    if words.message in (None, "-"):
        if sys.stdin is None or sys.stdin.isatty():
            words.refuse("there is no MESSAGE: write one, or give it on standard input")
        message = sys.stdin.buffer.read()
        text = message.decode("latin-1")
    else:
        message = arguments.message_bytes(words.message)
        text = words.message
    try:
        if words.hex:
            message = arguments.hex_bytes(text)
        fit(target, message, words.framing)
    except ValueError as problem:
        return _refuse(words, problem)
    try:
        return _in_reactor(
            lambda reactor: send(
                reactor,
                target,
                message,
                words.framing,
                words.timeout,
                sys.stdout.buffer,
                sys.stderr,
                as_hex=words.hex,
            )
        )
    except TargetError as problem:
        return _refuse(words, problem)


def _ping(words: argparse.Namespace) -> int:
    import time  # noqa: PLC0415

    from echod.commands.events import Plan  # noqa: PLC0415
    from echod.commands.payload import RUN_BYTES, Payloads  # noqa: PLC0415
    from echod.commands.ping import fit, ping  # noqa: PLC0415
    from echod.connect import TargetError  # noqa: PLC0415

    try:
        target = _target(words)
        fit(target, words.size)
        payloads = Payloads(words.size, os.urandom(RUN_BYTES))
    except ValueError as problem:
        return _refuse(words, problem)
    plan = Plan(words.count, words.interval, words.timeout)
    try:
        return _in_reactor(
            lambda reactor: ping(
                reactor, target, payloads, plan, time.perf_counter, sys.stdout, sys.stderr, as_json=words.json
            )
        )
    except TargetError as problem:
        return _refuse(words, problem)


def _schema(words: argparse.Namespace) -> int:  # noqa: ARG001 - the shape of every command
    import json  # noqa: PLC0415

    from echod.config import json_schema  # noqa: PLC0415

    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    return status.RIGHT


def _target(words: argparse.Namespace) -> Target:
    from echod.config import Target  # noqa: PLC0415

    return Target.parse(words.endpoint)


def _refuse(words: argparse.Namespace, problem: ValueError) -> NoReturn:
    words.refuse(str(problem))
    raise AssertionError("argparse has ended the process")


def _in_reactor(command: Callable[[Any], Coroutine[Deferred[Any], Any, int]]) -> int:
    from twisted.internet import reactor  # noqa: PLC0415

    from echod.commands.runner import run  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    return run(reactor, command)


def _open_missing_streams() -> None:
    """Stand in for standard streams that were closed (`>&-`), and let no character be one that cannot be written."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


_COMMANDS = {"check": _check, "verify": _verify, "send": _send, "ping": _ping, "schema": _schema}

if __name__ == "__main__":
    sys.exit(main())
