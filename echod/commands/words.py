"""The words of the command line, as argparse knows them. Nothing is imported here that takes time."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from echod import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


def parser(commands: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """
    Describe the command line.

    :param commands: what runs each of them, by its name. It gets the words, and in `refuse` a function that explains
        what is wrong with them and ends the process.
    """
    made = argparse.ArgumentParser(
        prog="echod",
        description="Check, verify and try the TCP and UDP services of an echod, or of anything that answers.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"echod {__version__}")
    group = made.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_CommandParser)

    def command(name: str, what: str) -> argparse.ArgumentParser:
        added = group.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        added.set_defaults(run=commands[name], refuse=added.error)
        return added

    check = command("check", "read and validate a file, and say what would listen where")
    check.add_argument("file", metavar="FILE", nargs="?", help="- is standard input")
    verify = command("verify", "check that every service answers as the file says")
    verify.add_argument("file", metavar="FILE", nargs="?", help="- is standard input")
    verify.add_argument("--host", metavar="H", help="name or IP address, in the place of every IP address of the file")
    verify.add_argument("--service", metavar="NAME", action="append", default=[], help="only this one; can be repeated")
    verify.add_argument("--json", action="store_true", help="print one JSON document instead")
    _add_seconds(verify, ("--timeout",), 5.0, "to connect, and for each answer")
    send = command("send", "send one message and write the answer to standard output")
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
    ping = command("ping", "send numbered messages at an interval and compare every answer")
    ping.add_argument("endpoint", metavar="ENDPOINT", help="of an echo service, such as udp:127.0.0.1:7007")
    count, size = _argument("whole_number", 1, 256**4 - 1), _argument("whole_number", 0, 1 << 24)
    ping.add_argument("-c", dest="count", metavar="N", type=count, help="how many messages (default: until Ctrl-C)")
    _add_seconds(ping, ("-i",), 1.0, "from one message to the next", metavar="S", dest="interval")
    size_help = "of each message (default: 56; at most 65507 over UDP; below 4 there is no room for the number)"
    ping.add_argument("-s", dest="size", metavar="BYTES", type=size, default=56, help=size_help)
    _add_seconds(ping, ("-W",), 1.0, "to connect, and to wait for each answer", metavar="S", dest="timeout")
    ping.add_argument("--json", action="store_true", help="print one JSON document at the end instead")
    command("schema", "print the JSON Schema of the configuration file")
    return made


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
