"""echod(1): the command, its words from argparse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from echod import __version__
from echod.manual.roff import Page
from echod.manual.tables import COMMAND_STATUSES, FAILURES, FRAMINGS, sentence
from echod.manual.words import ENDPOINTS, HELP, program, tag

if TYPE_CHECKING:
    from echod.manual.words import Command

_MORE: Final = {
    "check": """
        Nothing is opened but files, so `check` may run beside the daemon. It prints where each service would listen and
        which way its bytes would take (`fast`, or `plain` and why), and notes: on what is right but may not be meant,
        and on rules that cannot be proven.
        """,
    "verify": """
        Each service is asked through its own client: every rule by a request made from it, or by its `example`; echo by
        every byte value and a half-close; chargen by its pattern; time and daytime within two seconds of this clock;
        discard by its silence. Services are reached at `connect`, or else at the addresses where they listen.
        """,
    "send": """
        The bytes of the answer are written as they are; on a terminal a missing newline is added. The answer is one
        datagram; on a stream one frame where replies are framed (netstring and *intN*), and otherwise what comes until
        the server closes or pauses for a quarter of a second.
        """,
    "ping": """
        Every answer is compared byte by byte. At the end, and after Ctrl-C, it prints how many messages were sent,
        received, lost, duplicated and reordered; the least, median, 90th and 99th percentile and largest round-trip
        time; and the jitter.
        """,
    "schema": "Editors with a YAML language server use it to complete and to check `echod.yaml`(5).",
}


def command_page() -> Page:
    """Return echod(1)."""
    words = program()
    page = Page("echod", 1, "check, verify and try TCP and UDP services", __version__)
    page.heading("SYNOPSIS")
    for command in words.commands:
        page.text(command.usage())
    page.text("`echod` `--version`")
    page.heading("DESCRIPTION")
    page.text(f"""
        {words.help}

        One YAML file, `echod.yaml`(5), configures the daemon, `echod`(8), and these clients: so they can prove that
        every service answers as the file says. Without *FILE* the embedded example is meant, which the daemon serves
        when it is given no file.
        """)
    page.heading("COMMANDS")
    for command in words.commands:
        _command(page, command)
    page.heading("OPTIONS")
    for option in words.options:
        page.item(tag(option), option.help)
    _addresses(page)
    page.heading("EXIT STATUS")
    for status, meaning in COMMAND_STATUSES.items():
        page.item(f"`{status}`", meaning)
    page.heading("DIAGNOSTICS")
    page.text("A failure is named by one word first, then by a sentence. The words are:")
    for word, meaning in FAILURES.items():
        page.item(f"`{word}`", sentence(meaning))
    page.heading("EXAMPLES")
    for command_line, what in words.examples:
        page.item(f"`{command_line}`", sentence(what))
    page.text("""
        One service, as another machine with the same file serves it, for a script:

            echod verify echod.yaml --host 192.0.2.7 --service smtp-double --json

        A message in which every byte counts, with its length in four bytes in front:

            echod send tcp:127.0.0.1:7301 '00 ff 10' --hex --framing int32

        The JSON Schema of the file, beside it:

            echod schema > echod.schema.json
        """)
    page.heading("SEE ALSO")
    page.text("`echod`(8), `echod.yaml`(5), `nc`(1), `ping`(8)")
    return page


def _command(page: Page, command: Command) -> None:
    """Say what one command does and takes."""
    page.subheading(f"echod {command.name}")
    page.text(sentence(command.help))
    page.text(_MORE[command.name])
    for positional in command.positionals:
        page.item(f"*{positional.value.word}*", positional.help)
    for option in command.options:
        if option.names != HELP:
            page.item(tag(option), option.help)


def _addresses(page: Page) -> None:
    """Say what an ENDPOINT and a framing are."""
    page.heading("ENDPOINTS")
    page.text(r"""
        *ENDPOINT* is a client endpoint description of Twisted, or the same for datagrams. A backslash goes before each
        colon that is within a word, as in an IPv6 address, and quotes keep it from the shell: `'tcp6:\:\:1:7007'`.
        """)
    for prefix, what in ENDPOINTS.items():
        kind = prefix.partition(":")[0]
        rest = "*PATH*" if kind.startswith("unix") else "*HOST*`:`*PORT*"
        page.item(f"`{kind}:`{rest}", sentence(what))
    page.heading("FRAMINGS")
    page.text(r"""
        On a stream, `--framing` says how the message is sent, and where the answer ends. Escapes in *TEXT* are `\r`,
        `\n`, `\t`, `\0`, `\xHH` and `\\`.
        """)
    for framing in FRAMINGS:
        page.item(framing.word, sentence(framing.meaning))
