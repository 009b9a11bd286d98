"""echod.yaml(5): the file, its settings from the models."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from echod import __version__
from echod.manual.roff import Page
from echod.manual.settings import service_settings, top_settings
from echod.manual.tables import FRAMINGS, LISTENING, PROTOCOLS, VARIABLES, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from echod.manual.settings import Setting
    from echod.manual.tables import Protocol

RULES: Final = r"""services:
  smtp-double:
    listen: tcp:2525:interface=127.0.0.1
    protocol: reply
    framing: line
    greeting: "220 double ready\r\n"
    rules:
      - when: {regex: '^(?i:EHLO) (\S+)'}
        reply: "250 hello {1}, you are {peer.host}\r\n"
        example: EHLO tester
      - when: {equals: QUIT}
        reply: "221 bye\r\n"
        then: close
      - reply: "500 unknown\r\n"
"""
OPERATED: Final = r"""log: {format: json}
metrics: {listen: 'tcp:9107:interface=127.0.0.1'}
console: {listen: 'tcp:8007:interface=127.0.0.1'}
include: ["services/*.yaml"]
defaults:
  limits: {connections: 2000, idle_timeout: 1m}
services:
  echo:
    listen: ['tcp:${ECHO_PORT:-7007}', 'udp:${ECHO_PORT:-7007}']
    protocol: echo
    allow: [192.0.2.0/24, '2001:db8::/32']
"""
EXAMPLES: Final = (RULES, OPERATED)
"""Whole files, of which the page says that they are right."""


def file_page() -> Page:
    """Return echod.yaml(5)."""
    page = Page("echod.yaml", 5, "what echod answers, and where", __version__)
    page.heading("DESCRIPTION")
    page.text("""
        The file says where `echod`(8) listens and what it answers. `echod`(1) reads the same file: `echod check` tells
        everything that is wrong with it, `echod verify` proves that every service answers as it says. This one serves a
        TCP service that says hi and closes, and an echo over TCP and UDP:

            services:
              hello:
                listen: tcp:5000:interface=127.0.0.1
                protocol: reply
                reply: hi
                then: close
              echo:
                listen: [tcp:7007, udp:7007]
                protocol: echo
        """)
    _syntax(page)
    page.heading("TOP LEVEL")
    _settings(page, top_settings())
    page.heading("SERVICES")
    page.text("""
        Under `services` each key is the name of a service: at most 64 letters, digits, `-`, `_` and single dots,
        beginning with a letter or digit. `defaults` may have any of these settings but `listen`, `connect` and
        `description`; a service's own come first, and `limits` are merged one by one.
        """)
    _settings(page, service_settings())
    _listening(page)
    page.heading("PROTOCOLS")
    for protocol in PROTOCOLS:
        page.item(_protocol_tag(protocol), f"TCP: {protocol.stream}. UDP: {_datagram(protocol)}.")
    page.text("""
        `python:`*module*`:`*name* names a callable that takes no arguments and makes an answer (`echod.answers.own`).
        Python must find the module: set `PYTHONPATH`, or install it. No other code in a file is ever run.
        """)
    _replies(page)
    _several(page)
    page.heading("EXAMPLES")
    page.text("The embedded example, which is served when no file is given:")
    page.example(files("echod.config").joinpath("default.yaml").read_text(encoding="utf-8").rstrip("\n"))
    page.text("A stand-in for a mail server:")
    page.example(RULES)
    page.text("An echo for one network, with more services in other files, with metrics, a console and logs in JSON:")
    page.example(OPERATED)
    page.heading("SEE ALSO")
    page.text("`echod`(1), `echod`(8), `systemd.socket`(5)")
    return page


def _settings(page: Page, settings: Iterable[Setting]) -> None:
    for one in settings:
        default = one.default if one.default.startswith(("needed", "this or")) else f"default: {one.default}"
        page.item(f"`{one.key}` ({default})", one.meaning)


def _syntax(page: Page) -> None:
    page.heading("SYNTAX")
    page.text(r"""
        The file is YAML, UTF-8, at most 1 MiB and 10,000 values. It is read strictly: unknown and doubled keys, wrong
        types, two services on one address, anchors, merge keys, and what readers of YAML disagree on (`010`, `1:30`,
        `no`, `1e3`) are errors. All problems are told at once, each with file, line and column, and the exit status is
        78.
        """)
    page.item("Texts", r'Sent as UTF-8. Exact bytes are `{hex: "00 01 ff"}`, or base64 after `!!binary`.')
    page.item("Durations", "Numbers of seconds, or `500ms`, `10s`, `5m`, `1h`.")
    page.item("Sizes", "Bytes, or `64KiB`, `1MiB`.")
    page.item("Addresses and ranges", "`192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`.")
    page.item(
        "Variables of the environment",
        "`${NAME}` and `${NAME:-default}` are replaced in values, never in keys; `$${` is a literal `${`. What comes"
        " out is text, and is not read as YAML again.",
    )


def _listening(page: Page) -> None:
    page.heading("LISTENING")
    page.text(r"""
        `listen` is a server endpoint description of Twisted, or the same for datagrams, or a list of them. Words are
        separated by colons, keywords are *name*`=`*value*, and a backslash goes before each colon, equals sign or
        backslash that is meant literally. Where a value has a backslash, write it without quotes or between single
        ones.
        """)
    for examples, what in LISTENING:
        page.item(", ".join(f"`{example}`" for example in examples), sentence(what))
    page.text(r"""
        Without `interface` a service listens on all addresses, and `echod check` says so. Port 0 is any free port,
        which the log names. Installed endpoint plugins work too. Sockets that systemd passes have the name that
        `FileDescriptorName=` gives them, or `index=`*N* counts them from 0; their family is the socket's own. Over TLS,
        a client that ends its direction ends the connection: TLS in Twisted has no half-close.
        """)


def _protocol_tag(protocol: Protocol) -> str:
    return f"`{protocol.name}` ({protocol.source})" if protocol.source.startswith("RFC") else f"`{protocol.name}`"


def _datagram(protocol: Protocol) -> str:
    return "the same" if protocol.datagram == "likewise" else protocol.datagram


def _replies(page: Page) -> None:
    page.heading("REPLIES")
    page.text(r"""
        The first rule that matches answers; if none does there is silence, and so there is where a rule has no `reply`.
        `when` has one condition, on the bytes of the message. `reply` beside `listen`, in place of `rules`, is one rule
        that always matches. Of a list of replies each peer gets one after the other, the last again and again.
        """)
    page.subheading("Framing")
    page.text(r"""
        On a stream, `framing` says where a message ends. Replies are framed like the requests for netstring and *intN*,
        and otherwise sent as written. A message longer than `limits.frame` closes the connection.
        """)
    for framing in FRAMINGS:
        page.item(f"`{framing.setting}`", sentence(f"a message is {framing.meaning}"))
    page.subheading("Variables")
    page.text(r"""
        In a reply, but not in exact bytes, these names between braces are replaced, and so are the groups of the rule's
        regular expression, by number (`{1}`) or name. `{{` and `}}` are braces. Nothing is evaluated, and other names
        are errors.
        """)
    for name, what in VARIABLES.items():
        page.item(f"`{{{name}}}`", sentence(what))
    page.subheading("Endings")
    page.text(r"""
        `then` is what happens after the reply has left: `keep` the connection, `close` it, `half-close` it (end this
        direction, and read on), or `reset` it, with a TCP RST. For datagrams framing, greeting and endings have no
        meaning, and are errors.
        """)
    page.subheading("Regular expressions")
    page.text(r"""
        They are RE2's, which no message can make slow: they match bytes, and have no look-around and no
        back-references. One so large that a message of `limits.frame` could take a tenth of a second is refused.
        """)


def _several(page: Page) -> None:
    page.heading("SEVERAL FILES")
    page.text("""
        `include` names more files, by patterns relative to this one; they are merged in name order, and each holds only
        `services`. The console keeps the services that were made in it in its `directory`, one file each, named as the
        service with `.yaml`; these are read like included ones, and may be put there by other means.
        """)
