"""
The `echod` command: reads the command line, and hands over to `echod.commands`.

What a command needs is imported when it is asked for, so that `echod --version` does not wait for Twisted. Only here is
the reactor imported, and passed on.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from echod import __version__
from echod.commands import status

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from twisted.internet.defer import Deferred

    from echod.config import Target

_EXAMPLES = """
examples:
  echod check echod.yaml                       is the file right, and what would listen where?
  echod verify echod.yaml --host 192.0.2.7     does every service answer as the file says?
  echod send udp:127.0.0.1:55555 hello         send one message and print the answer
  echod ping tcp:127.0.0.1:7007 -c 5           how fast, and what is lost?

ENDPOINT is a Twisted client endpoint, tcp:HOST:PORT, tls:HOST:PORT or unix:PATH, or udp:HOST:PORT;
for IPv6 tcp6: and udp6: with a backslash before each colon of the address: 'tcp6:\\:\\:1:7007'.

exit status: 0 all is right, 1 something is wrong or lost, 2 wrong usage, 69 nothing could be reached,
78 the configuration is wrong. Without FILE the embedded example is meant; twistd echod serves it.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command and return its exit status.

    :param argv: the words after `echod`; None for those of this process.
    """
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
        sys.stderr.write(f"echod: cannot write to standard output: {problem.strerror or problem}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status.IO_ERROR
    return result


def _run(argv: Sequence[str] | None) -> int:
    """Read the words and run the command they name."""
    try:
        words = _parser().parse_args(argv)
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


class _CommandParser(argparse.ArgumentParser):
    """Takes options between the positional words, as in `send ENDPOINT --hex MESSAGE`, which argparse does not."""

    _within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read the words. Called by argparse, and by what it calls here."""
        if self._within:
            return super().parse_known_args(args, namespace)
        self._within = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="echod",
        description="Check, verify and try the TCP and UDP services of an echod, or of anything that answers.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"echod {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_CommandParser)

    def command(name: str, what: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        made.set_defaults(run=run, refuse=made.error)
        return made

    check = command("check", "read and validate a file, and say what would listen where", _check)
    check.add_argument("file", metavar="FILE", nargs="?", help="- is standard input")
    verify = command("verify", "check that every service answers as the file says", _verify)
    verify.add_argument("file", metavar="FILE", nargs="?", help="- is standard input")
    verify.add_argument("--host", metavar="H", help="name or IP address, in the place of every IP address of the file")
    verify.add_argument("--service", metavar="NAME", action="append", default=[], help="only this one; can be repeated")
    verify.add_argument("--json", action="store_true", help="print one JSON document instead")
    _add_seconds(verify, ("--timeout",), 5.0, "to connect, and for each answer")
    send = command("send", "send one message and write the answer to standard output", _send)
    send.add_argument("endpoint", metavar="ENDPOINT", help="such as tcp:127.0.0.1:7007 or udp:127.0.0.1:7007")
    send.add_argument("message", metavar="MESSAGE", nargs="?", help="text, sent as UTF-8; - or none: standard input")
    send.add_argument("--hex", action="store_true", help="MESSAGE is hex digits, and so is the answer")
    send.add_argument(
        "--framing",
        metavar="F",
        type=_argument("framing_named"),
        help=r"stream, line, netstring, int8, int16, int32, delimiter:TEXT (as in 'delimiter:\r\n') or fixed:N",
    )
    _add_seconds(send, ("--timeout",), 5.0, "to connect, and for the answer")
    ping = command("ping", "send numbered messages at an interval and compare every answer", _ping)
    ping.add_argument("endpoint", metavar="ENDPOINT", help="of an echo service, such as udp:127.0.0.1:7007")
    count, size = _argument("whole_number", 1, 256**4 - 1), _argument("whole_number", 0, 1 << 24)
    ping.add_argument("-c", dest="count", metavar="N", type=count, help="how many messages (default: until Ctrl-C)")
    _add_seconds(ping, ("-i",), 1.0, "from one message to the next", metavar="S", dest="interval")
    size_help = "of each message (default: 56; at most 65507 over UDP; below 4 there is no room for the number)"
    ping.add_argument("-s", dest="size", metavar="BYTES", type=size, default=56, help=size_help)
    _add_seconds(ping, ("-W",), 1.0, "to connect, and to wait for each answer", metavar="S", dest="timeout")
    ping.add_argument("--json", action="store_true", help="print one JSON document at the end instead")
    command("schema", "print the JSON Schema of the configuration file", _schema)
    return parser


def _argument(reader: str, *details: int) -> Callable[[str], Any]:
    """Return what reads a word for argparse: a function of `echod.commands.arguments`, or one made by it."""

    def read(text: str) -> Any:
        from echod.commands import arguments  # noqa: PLC0415 - `echod --version` needs none of it

        try:
            function = getattr(arguments, reader)
            return function(*details)(text) if details else function(text)
        except ValueError as problem:
            raise argparse.ArgumentTypeError(str(problem)) from None

    return read


def _add_seconds(
    parser: argparse.ArgumentParser, names: tuple[str, ...], default: float, what: str, **more: str
) -> None:
    more.setdefault("metavar", "S")
    text = f"seconds, or as 500ms: {what} (default: {default:g})"
    parser.add_argument(*names, type=_argument("seconds"), default=default, help=text, **more)  # type: ignore[arg-type]


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

    if words.message in (None, "-"):
        if sys.stdin is None or sys.stdin.isatty():
            words.refuse("there is no MESSAGE: write one, or give it on standard input")
        message = sys.stdin.buffer.read()
        text = message.decode("latin-1")
    else:
        message = arguments.message_bytes(words.message)
        text = words.message
    try:
        target = _target(words)
        if words.hex:
            message = arguments.hex_bytes(text)
        fit(target, message, words.framing)
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
    except ValueError as problem:
        return _refuse(words, problem)


def _ping(words: argparse.Namespace) -> int:
    import time  # noqa: PLC0415

    from echod.commands.payload import RUN_BYTES, Payloads  # noqa: PLC0415
    from echod.commands.ping import fit, ping  # noqa: PLC0415
    from echod.commands.pinging import Plan  # noqa: PLC0415

    try:
        target = _target(words)
        fit(target, words.size)
        payloads = Payloads(words.size, os.urandom(RUN_BYTES))
        plan = Plan(words.count, words.interval, words.timeout)
        return _in_reactor(
            lambda reactor: ping(
                reactor, target, payloads, plan, time.perf_counter, sys.stdout, sys.stderr, as_json=words.json
            )
        )
    except ValueError as problem:
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

    return run(reactor, command)


def _open_missing_streams() -> None:
    """Stand in for standard streams that were closed (`>&-`), and let no character be one that cannot be written."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
