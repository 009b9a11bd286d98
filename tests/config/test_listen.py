"""Endpoint descriptions: the grammar is Twisted's own, the sentences are ours."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import endpoints

from echod.config.addresses import collisions
from echod.config.listen import Listen, split
from echod.config.target import Target


@pytest.mark.parametrize(
    ("text", "datagram", "host", "port", "path"),
    [
        ("tcp:7007", False, "", 7007, None),
        ("tcp:port=7007", False, "", 7007, None),
        ("tcp:0:interface=127.0.0.1", False, "127.0.0.1", 0, None),
        ("tcp:7007:127.0.0.1:50", False, "127.0.0.1", 7007, None),
        (r"tcp6:7007:interface=\:\:1", False, "::1", 7007, None),
        (r"tcp6:7007:50:\:\:1", False, "::1", 7007, None),
        (r"tcp6:7007:interface=fe80\:\:1%eth0", False, "fe80::1%eth0", 7007, None),
        ("ssl:443:privateKey=k.pem:certKey=c.pem:interface=192.0.2.1", False, "192.0.2.1", 443, None),
        (r"ssl:443:interface=\:\:1", False, "::1", 443, None),
        ("udp:7007:interface=127.0.0.1", True, "127.0.0.1", 7007, None),
        (r"udp6:7007:interface=\:\:", True, "::", 7007, None),
        (r"unix:/run/a\:b:mode=660:lockfile=0", False, "", None, "/run/a:b"),
        ("unix:address=/run/x", False, "", None, "/run/x"),
        ("unixgram:/run/x", True, "", None, "/run/x"),
        ("systemd:domain=INET:name=echo", False, "", None, None),
        ("systemd:INET:0", False, "", None, None),
        ("systemd:domain=UNIX:index=0:type=datagram", True, "", None, None),
        ("plugin:anything=goes:here", False, "", None, None),
        ("stdio:", False, "", None, None),
    ],
)
def test_right(text: str, datagram: bool, host: str, port: int | None, path: str | None) -> None:
    """What is understood of each kind; unknown kinds are for plugins."""
    listen = Listen.parse(text)
    assert (listen.text, listen.datagram, listen.host, listen.port, listen.path) == (
        text,
        datagram,
        host,
        port,
        path,
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("7007", '"7007" is a port alone: write tcp:7007 or udp:7007'),
        ("tcp", '"tcp" is no listening address: write for example tcp:7007 or udp:7007'),
        ("", '"" is no listening address'),
        (":7007", '":7007" is no listening address'),
        ("port=7007", '"port=7007" is no listening address'),
        ("tcp:", "tcp needs a port: write for example tcp:7007"),
        ("tcp:interface=127.0.0.1", "tcp needs a port"),
        ("tcp:65536", 'the port "65536" is not a number from 0 to 65535'),
        ("tcp:-1", 'the port "-1" is not a number from 0 to 65535'),
        ("tcp:010", 'the port "010" is not a number from 0 to 65535'),
        ("tcp:\uff17", 'the port "\uff17" is not a number from 0 to 65535'),
        (
            "tcp:127.0.0.1:7007",
            'the port "127.0.0.1" is not a number from 0 to 65535 (the port comes first: tcp:7007',
        ),
        (
            "tcp:7007:interface=localhost",
            'the interface "localhost" is not an IP address: write for example interface=127',
        ),
        (r"tcp:7007:interface=\:\:1", '"::1" is an IPv6 address: write tcp6: instead of tcp:'),
        (r"udp:7007:interface=\:\:1", '"::1" is an IPv6 address: write udp6: instead of udp:'),
        ("tcp6:7007:interface=127.0.0.1", '"127.0.0.1" is an IPv4 address: write tcp: instead of tcp6:'),
        ("tcp6:7007:interface=::1", r'" inside a value, as in interface=\:\:1'),
        (
            "tcp:7007:interfaces=127.0.0.1",
            '"interfaces" is no keyword of tcp: known are interface or backlog',
        ),
        ("udp:7007:backlog=5", '"backlog" is no keyword of udp: known are interface'),
        ("tcp:7007:backlog=0", 'the backlog "0" is not a whole number of at least 1'),
        ("tcp:7007:backlog=x", 'the backlog "x" is not a whole number'),
        ("tcp:7007:port=7", '"port" is given twice'),
        ("tcp:7007:interface=::interface=", 'gives "interface" twice'),
        ("tcp:7007\\", "ends with a backslash"),
        ("unix:", "unix needs a path"),
        ("unix:" + "x" * 108, "has more than 107 bytes"),
        ("unix:/a\0b", "has a NUL byte in it"),
        ("unix:/a:mode=888", 'the mode "888" is not octal: write for example mode=660'),
        ("unix:/a:lockfile=no", 'the lockfile "no" is neither 0'),
        ("unixgram:/a:backlog=5", '"backlog" is no keyword of unixgram: known are mode'),
        ("systemd:name=x", "systemd needs domain=INET, domain=INET6 or domain=UNIX"),
        ("systemd:domain=INET", "systemd needs either name=NAME"),
        ("systemd:domain=INET:name=x:index=0", "systemd needs either name=NAME"),
        ("systemd:domain=INET:index=x", 'the index "x" is not a whole number'),
        ("systemd:domain=INET:name=x:type=raw", 'the type "raw" is neither stream nor datagram'),
        ("tcp:1:2:3:4:5", "tcp takes no word"),
    ],
)
def test_wrong(text: str, sentence: str) -> None:
    """The exact sentence for each mistake."""
    with pytest.raises(ValueError) as caught:
        Listen.parse(text)
    assert sentence in str(caught.value)


@given(st.text(alphabet=r"ab0:=\ ", max_size=30))
def test_the_grammar_is_twisteds(text: str) -> None:
    """Words and keywords are split as Twisted splits them, where Twisted does not fail or lose a keyword."""
    try:
        args, options = split(text)
    except ValueError:
        return
    assert (args, options) == endpoints._parse(text)


@given(st.text(min_size=1, max_size=20).filter(lambda path: not set("\0=") & set(path)))
def test_escapes(path: str) -> None:
    """Twisted's own quoting comes back as the path."""
    assert Listen.parse(f"unix:{endpoints.quoteStringArgument(path)}").path == path


@given(
    parse=st.sampled_from([Listen.parse, Target.parse]),
    text=st.text(max_size=60) | st.text(alphabet=r"tcpudp6:=\0172/", max_size=30),
)
def test_any_text(parse: Callable[[str], Listen | Target], text: str) -> None:
    """Any text is an address or a ValueError with one printable line."""
    try:
        result = parse(text).text
    except ValueError as error:
        result = str(error)
        sentence = True
    else:
        sentence = False
    assert result.isprintable() if sentence else result == text


@pytest.mark.parametrize(
    ("text", "datagram", "host", "port", "path"),
    [
        ("tcp:localhost:7007", False, "localhost", 7007, None),
        ("tcp:host=example.org:port=7", False, "example.org", 7, None),
        (r"tcp6:\:\:1:7007", False, "::1", 7007, None),
        ("ssl:example.org:443:caCertsDir=/etc/ssl/certs", False, "example.org", 443, None),
        ("tls:example.org:443", False, "example.org", 443, None),
        ("udp:127.0.0.1:7007", True, "127.0.0.1", 7007, None),
        ("unix:/run/x:timeout=5", False, "", None, "/run/x"),
        ("unixgram:/run/x", True, "", None, "/run/x"),
        ("onion:abc", False, "", None, None),
    ],
)
def test_target(text: str, datagram: bool, host: str, port: int | None, path: str | None) -> None:
    """Where clients connect to; hosts may be names."""
    target = Target.parse(text)
    assert (target.datagram, target.host, target.port, target.path) == (datagram, host, port, path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tcp", "is no address to connect to: write for example tcp:127.0.0.1:7007"),
        ("tcp:localhost", "tcp needs a host and a port: write for example tcp:localhost:7007"),
        ("tcp::7007", 'the host "" is neither a name nor an IP address'),
        ("tcp:a b:7007", 'the host "a b" is neither'),
        ("tcp:[::1]:7007", 'before each ":" inside a value'),
        ("udp:localhost:0", 'the port "0" is not a number from 1 to 65535'),
        (r"tcp:\:\:1:7007", '"::1" is an IPv6 address: write tcp6: instead of tcp:'),
        ("udp6:127.0.0.1:7007", '"127.0.0.1" is an IPv4 address: write udp: instead of udp6:'),
        ("tcp:localhost:7007:timeout=x", 'the timeout "x" is not a whole number'),
        ("tcp:localhost:7007:bindAddress=x", 'the bindAddress "x" is not an IP address'),
        ("udp:localhost:7007:timeout=5", '"timeout" is no keyword of udp'),
        ("unix:", "unix needs a path"),
    ],
)
def test_wrong_target(text: str, sentence: str) -> None:
    """The exact sentence for each mistake."""
    with pytest.raises(ValueError) as caught:
        Target.parse(text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "collide"),
    [
        ("tcp:7007", "tcp:7007", True),
        ("tcp:7007", "udp:7007", False),
        ("tcp:7007", "tcp:7008", False),
        ("tcp:0", "tcp:0", False),
        ("tcp:7007", "tcp:7007:interface=127.0.0.1", True),
        ("tcp:7007:interface=127.0.0.1", "tcp:7007", True),
        ("tcp:7007:interface=0.0.0.0", "ssl:7007:interface=127.0.0.1", True),
        ("tcp:7007:interface=127.0.0.1", "tcp:7007:interface=127.0.0.2", False),
        ("tcp:7007", r"tcp6:7007", True),
        ("tcp6:7007", "tcp:7007:interface=127.0.0.1", True),
        ("tcp:7007", r"tcp6:7007:interface=\:\:1", False),
        ("tcp6:7007", r"tcp6:7007:interface=\:\:1", True),
        (r"tcp6:7007:interface=0\:0\:0\:0\:0\:0\:0\:1", r"tcp6:7007:interface=\:\:1", True),
        (r"udp6:7007:interface=fe80\:\:1%a", r"udp6:7007:interface=fe80\:\:1%b", False),
        ("unix:/a", "unix:/a", True),
        ("unix:/a", "unixgram:/a", True),
        ("unix:/a", "unix:/b", False),
        ("systemd:domain=INET:name=a", "systemd:domain=INET:name=a", True),
        ("systemd:domain=INET:name=a", "systemd:domain=INET:name=a:type=datagram", False),
    ],
)
def test_collisions(first: str, second: str, collide: bool) -> None:
    """Two addresses collide whether one service has them or two."""
    one, two = Listen.parse(first), Listen.parse(second)
    a, b = ("services", "a"), ("services", "b")
    assert collisions([(a, (one,)), (b, (two,))]) == ([((b, 0), (a, 0))] if collide else [])
    assert collisions([(a, (one, two))]) == ([((a, 1), (a, 0))] if collide else [])
