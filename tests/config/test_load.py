"""Files, variables, includes, defaults; and the place of every problem."""

import random
import time
from pathlib import Path

import pytest

from echod.config import Config, ConfigError, ReplyService, load
from echod.config.quotes import split_quotes
from echod.config.tree import MOST_NODES

ROOT = Path(__file__).parents[2]
SERVICE = "services:\n  a:\n    listen: tcp:1\n    protocol: echo\n"


def write(folder: Path, text: str | bytes, name: str = "f.yaml") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def good(folder: Path, text: str, **environ: str) -> Config:
    """Load a text that must be right."""
    return load(write(folder, text), environ)


def bad(folder: Path, text: str | bytes, **environ: str) -> list[str]:
    """Return the problem lines of a text that must be wrong, without the folder's name."""
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), environ)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def one(folder: Path, settings: str, **environ: str) -> list[str]:
    """Return the problem lines of a service with these lines of settings, the first of which is line 3."""
    return bad(folder, "services:\n  a:\n" + "".join(f"    {line}\n" for line in settings.split("\n")), **environ)


def test_embedded_default() -> None:
    """Without a file there is the tutorial and an echo, on loopback; the sample is the same file."""
    config = load(None, {})
    assert list(config.services) == ["hello-tcp", "hello-udp", "echo-tcp", "echo-udp"]
    assert {listen.host for service in config.services.values() for listen in service.listen} == {"127.0.0.1"}
    hello = config.services["hello-tcp"]
    assert isinstance(hello, ReplyService)
    assert (hello.reply, hello.then) == ((b"hi",), "close")
    assert config.files == ("(embedded default)",)
    assert str(config.problem("services.echo-tcp.listen", "x")).startswith("(embedded default):")
    sample = (ROOT / "config/echod.yaml").read_bytes()
    assert sample == (ROOT / "echod/config/default.yaml").read_bytes()
    assert sample.splitlines()[0] == b"# yaml-language-server: $schema=echod.schema.json"


ECHO = "listen: tcp:1\nprotocol: echo\n"
REPLY = "listen: tcp:1\nprotocol: reply\n"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            ECHO + "lisen: x",
            'f.yaml:5:5: services.a.lisen: "lisen" is no setting here: did you mean "listen"?',
        ),
        (
            ECHO + "name: b",
            "f.yaml:5:5: services.a.name: the name of a service is the key above its settings",
        ),
        (
            ECHO + "zzz: b",
            'f.yaml:5:5: services.a.zzz: "zzz" is no setting here: known are allow, amplify, connect,',
        ),
        (
            ECHO + "reply: b",
            "f.yaml:5:5: services.a.reply: this setting belongs to protocol reply: remove it",
        ),
        (ECHO + "quotes: [b]", "f.yaml:5:5: services.a.quotes: this setting belongs to protocol qotd"),
        (
            ECHO + "limits: {bufer: 1}",
            'f.yaml:5:14: services.a.limits.bufer: "bufer" is no setting here: did you mean',
        ),
        (ECHO + "limits:\n  buffer: 1", "f.yaml:6:15: services.a.limits.buffer: 1 bytes are too few"),
        (
            ECHO + "limits: 7",
            "f.yaml:5:13: services.a.limits: 7 stands where settings are needed: write KEY: VALUE",
        ),
        (ECHO + "allow: [10.0.0.1/8]", 'f.yaml:5:13: services.a.allow[0]: "10.0.0.1/8" has bits set'),
        (ECHO + "deny: x", 'f.yaml:5:11: services.a.deny: "x" is not a list'),
        (ECHO + "description: no", "f.yaml:5:18: services.a.description: no without quotes means false"),
        (
            ECHO + "amplify: yes",
            "f.yaml:5:14: services.a.amplify: yes without quotes means true to some readers: write true",
        ),
        (ECHO + "proxy_protocol: on", "f.yaml:5:21: services.a.proxy_protocol: it needs trusted_proxies"),
        (
            ECHO + "description:",
            "f.yaml:5:5: services.a.description: there is no value: write one, or remove the line",
        ),
        (
            "protocol: echo",
            "f.yaml:2:3: services.a.listen: it is missing: write for example listen: tcp:7007",
        ),
        ("listen: tcp:1", "f.yaml:2:3: services.a.protocol: it is missing: write protocol: and echo, reply"),
        (
            "listen: tcp:1\nprotocol: eco",
            'f.yaml:4:15: services.a.protocol: "eco" is no protocol: did you mean "echo"?',
        ),
        (
            "listen: tcp:1\nprotocol: no",
            'f.yaml:4:15: services.a.protocol: "no" is no protocol: known are chargen',
        ),
        (
            "listen: tcp:1\nprotocol: python:x",
            'f.yaml:4:15: services.a.protocol: "python:x" names no Python protocol',
        ),
        (
            "listen: 7007\nprotocol: echo",
            "f.yaml:3:13: services.a.listen: 7007 is a port alone: write tcp:7007 or udp",
        ),
        (
            "listen: [tcp:1, tcp]\nprotocol: echo",
            'f.yaml:3:21: services.a.listen[1]: "tcp" is no listening address',
        ),
        ("listen: []\nprotocol: echo", "f.yaml:3:5: services.a.listen: the list is empty"),
        (
            "listen: [tcp:1, tcp:1]\nprotocol: echo",
            'f.yaml:3:21: services.a.listen[1]: "tcp:1" is taken by this service',
        ),
        (REPLY, "f.yaml:2:3: services.a: there is nothing to reply: write reply, or rules"),
        (REPLY + "reply: 220", 'f.yaml:5:12: services.a.reply: 220 is not a text: write "220" in quotes'),
        (REPLY + "reply: [a, no]", "f.yaml:5:16: services.a.reply[1]: no without quotes means false"),
        (
            REPLY + "rules:\n  - reply: a\n    then: x",
            'f.yaml:7:15: services.a.rules[0].then: "x" is not one of keep',
        ),
        (
            REPLY + "rules:\n  - when: {equal: a}\n    reply: a",
            'f.yaml:6:16: services.a.rules[0].when.equal: "equal" is',
        ),
        (
            REPLY + "rules:\n  - reply: a\n  - reply: b",
            "f.yaml:6:9: services.a.rules[0]: a rule without `when` answers",
        ),
        (REPLY + "rules: [x]", 'f.yaml:5:13: services.a.rules[0]: "x" stands where settings are needed'),
        (REPLY + "reply: x\nframing: {fixed: 0}", "f.yaml:6:5: services.a.framing: 0 is not a whole number"),
        (REPLY + "reply: ${X}", 'f.yaml:5:12: services.a.reply: the environment variable "X" is not set'),
        (
            REPLY + "reply: ${X",
            'f.yaml:5:12: services.a.reply: "${X" is no variable: write ${NAME} or ${NAME:-default}',
        ),
        (
            "listen: udp:1\nprotocol: reply\nreply: x\nthen: close",
            "f.yaml:6:11: services.a.then: a datagram is a message",
        ),
        (
            "listen: tcp:1\nprotocol: qotd",
            "f.yaml:2:3: services.a.quotes: it is missing: write a list of quotes",
        ),
        ("listen: tcp:1\nprotocol: qotd\nquotes: none", "cannot be read: No such file or directory"),
    ],
)
def test_the_place_of_each_problem(tmp_path: Path, settings: str, line: str) -> None:
    """One mistake is one line: the key for what is unknown or missing, the value for what is wrong."""
    (found,) = one(tmp_path, settings.rstrip("\n"))
    assert line in found
    assert found.startswith("f.yaml:")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[a]", "f.yaml:1:1: the file should hold services: and under it NAME: and settings"),
        ("services: {}", "f.yaml:1:1: services: there is no service"),
        ("services:", "f.yaml:1:1: services: there is no value: write one, or remove the line"),
        ("services: []", "f.yaml:1:11: services: it should hold NAME: and under it settings"),
        (
            "services: {a: 7}",
            "f.yaml:1:15: services.a: it should hold settings, such as listen: and protocol:",
        ),
        (
            "services:\n  a b: {listen: tcp:1, protocol: echo}",
            'f.yaml:2:3: services."a b": "a b" is no name for a service',
        ),
        (
            SERVICE + "service: 1",
            'f.yaml:5:1: service: "service" is no setting here: did you mean "services"?',
        ),
        (SERVICE + "include: x", 'f.yaml:5:10: include: "x" is not a list'),
        (SERVICE + "include: [7]", "f.yaml:5:11: include[0]: 7 is not a text"),
        (SERVICE + "include: ['']", 'f.yaml:5:11: include[0]: "" names no file'),
        (SERVICE + 'include: ["\\0"]', 'f.yaml:5:11: include[0]: "\\x00" names no file'),
        (SERVICE + "include: [" + "n" * 5000 + "]", "f.yaml:5:11: include[0]: "),
        (SERVICE + "include: [" + "n" * 5000 + "/*]", "f.yaml:5:11: include[0]: "),
        (SERVICE + "include: [f.yaml/*]", "f.yaml:5:11: include[0]: "),
        (SERVICE + "include: [/dev/zero]", 'f.yaml:5:11: include[0]: "/dev/zero" is not a regular file'),
        (SERVICE + "include: [nope.yaml]", "f.yaml:5:11: include[0]: "),
        (SERVICE + "include: ['*.yaml']", "f.yaml:5:11: include[0]: "),
        (SERVICE + "defaults: {listen: tcp:1}", "f.yaml:5:12: defaults.listen: it cannot be a default"),
        (SERVICE + "defaults: {limits: {buffer: x}}", 'f.yaml:5:29: defaults.limits.buffer: "x" is no size'),
        (SERVICE + "defaults: {then: x}", 'f.yaml:5:18: defaults.then: "x" is not one of keep'),
        (
            SERVICE + "defaults: {protocol: x}",
            'f.yaml:5:22: defaults.protocol: "x" is no protocol: known are',
        ),
        (SERVICE + "defaults: 7", "f.yaml:5:11: defaults: 7 stands where settings are needed"),
    ],
)
def test_the_top_level(tmp_path: Path, text: str, line: str) -> None:
    """What is wrong outside of services."""
    (found,) = bad(tmp_path, text)
    assert found.startswith(line)


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Sorted by place, each once, from every service and the defaults."""
    got = bad(
        tmp_path,
        "defaults: {limits: {grace: x}}\n"
        "services:\n  a: {listen: tcp:1, protocol: echo, x: 1}\n  b: {listen: tcp:99999, protocol: nope}\n"
        "  c: {listen: tcp:1, protocol: reply, reply: hi, limits: {frame: 0, buffer: 1KB}}\n",
    )
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in got] == [
        "f.yaml:1:28 defaults.limits.grace",
        "f.yaml:3:38 services.a.x",
        "f.yaml:4:15 services.b.listen",
        "f.yaml:4:36 services.b.protocol",
        "f.yaml:5:66 services.c.limits.frame",
        "f.yaml:5:77 services.c.limits.buffer",
    ]


def test_one_address_twice(tmp_path: Path) -> None:
    """The second is told where the first one is."""
    got = bad(tmp_path, SERVICE + "  b:\n    listen: [tcp:2, 'tcp:1:interface=127.0.0.1']\n    protocol: echo\n")
    (line,) = got
    place, _, sentence = line.partition(" is taken by ")
    assert place == 'f.yaml:6:21: services.b.listen[1]: "tcp:1:interface=127.0.0.1"'
    assert sentence == "service a in f.yaml:3 (tcp:1): give one of them another port or address"


def test_variables(tmp_path: Path) -> None:
    """Texts and numbers come from the environment; `$${` is literal; keys and results are not looked at."""
    text = (
        "services:\n  a:\n    listen: tcp:${PORT}\n    protocol: reply\n    reuse_port: ${R:-true}\n"
        "    limits: {connections: '${N:-7}', grace: '${G:-2s}'}\n"
        "    reply: ['$${{HOME}', '${V}', '${EMPTY}', '${EMPTY:-x}', '$V', 'a${V}b']\n"
    )
    config = good(tmp_path, text, PORT="7007", V="<PORT>: [no, 010]", EMPTY="")
    service = config.services["a"]
    assert isinstance(service, ReplyService)
    assert service.listen[0].port == 7007
    assert (service.limits.connections, service.limits.grace, service.reuse_port) == (7, 2.0, True)
    value = b"<PORT>: [no, 010]"
    assert service.reply == (b"${{HOME}", value, b"", b"x", b"$V", b"a" + value + b"b")


def test_variables_are_not_replaced_in_keys(tmp_path: Path) -> None:
    """A key is a name."""
    (line,) = bad(tmp_path, "services:\n  '${A}': {listen: tcp:1, protocol: echo}", A="x")
    assert "is no name for a service" in line


@pytest.mark.parametrize(("value", "sentence"), [("\udcff", "is not UTF-8"), ("x" * 600_000, "more than 1,048,576")])
def test_hostile_variables(tmp_path: Path, value: str, sentence: str) -> None:
    """Bytes that are no text, and a bomb of repetition."""
    (line,) = one(tmp_path, REPLY + "reply: '${A}${A}'", A=value)
    assert sentence in line
    assert len(line) < 200


def test_include(tmp_path: Path) -> None:
    """Patterns are relative to the file, files come in name order, a glob may match nothing."""
    for name in ("b", "a"):
        write(
            tmp_path,
            SERVICE.replace("a:", f"{name}:", 1).replace("tcp:1", f"unix:/{name}"),
            f"conf.d/{name}.yaml",
        )
    config = good(tmp_path, "include: ['conf.d/*.yaml', none/*.yaml, conf.d/a.yaml]\n" + SERVICE.replace("a:", "m:", 1))
    assert list(config.services) == ["m", "a", "b"]
    assert [Path(name).name for name in config.files] == ["f.yaml", "a.yaml", "b.yaml"]
    problem = config.problem("services.b.listen[0]", "busy")
    assert str(problem) == f"{tmp_path}/conf.d/b.yaml:3:13: services.b.listen[0]: busy"
    assert config.problem("services.b.limits.grace", "x").line == 2
    assert config.problem("elsewhere", "x").line == 1


def test_included_files_hold_services_alone(tmp_path: Path) -> None:
    """No include in an include, no defaults, and a name only once; the main file is told of as well."""
    write(tmp_path, SERVICE + "include: [x]\ndefaults: {}\nzzz: 1\n", "conf.d/a.yaml")
    write(tmp_path, "services: {x: 010}", "conf.d/b.yaml")
    write(tmp_path, "# nothing", "conf.d/c.yaml")
    got = bad(tmp_path, SERVICE + "    lisen: 1\ninclude: ['conf.d/*.yaml']\n")
    assert [line.split(": ", 2)[:2] for line in got] == [
        ["conf.d/a.yaml:2:3", "services.a"],
        ["conf.d/a.yaml:5:1", "include"],
        ["conf.d/a.yaml:6:1", "defaults"],
        ["conf.d/a.yaml:7:1", "zzz"],
        ["conf.d/b.yaml:1:15", "services.x"],
        ["conf.d/c.yaml:1:1", "the file is empty"],
        ["f.yaml:5:5", "services.a.lisen"],
    ]
    assert "already in f.yaml:2" in got[0]


@pytest.mark.parametrize("name", ["missing", "folder"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    """A sentence at the first line, or at the pattern that named the file."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / name, {})
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.path) == (1, 1, "")
    (line,) = bad(tmp_path, SERVICE + f"include: [{name}]\n")
    assert line.startswith("f.yaml:5:11: include[0]: ")


DEFAULTS = """\
defaults:
  protocol: reply
  reply: hi
  then: close
  framing: line
  proxy_protocol: on
  trusted_proxies: [10.0.0.0/8]
  limits: {grace: 1s, frame: 1KiB}
services:
  plain: {listen: tcp:1}
  ruled: {listen: tcp:2, rules: [{reply: x}], limits: {frame: 2KiB}, then: keep}
  datagrams: {listen: udp:1}
  echo: {listen: tcp:3, protocol: echo, proxy_protocol: off}
"""


def test_defaults(tmp_path: Path) -> None:
    """Services take what their protocol and transport know; `limits` key by key; rules instead of a reply."""
    services = good(tmp_path, DEFAULTS).services
    first, ruled, datagrams = services["plain"], services["ruled"], services["datagrams"]
    assert isinstance(first, ReplyService)
    assert isinstance(ruled, ReplyService)
    assert isinstance(datagrams, ReplyService)
    assert (first.reply, first.then, first.framing.kind, first.proxy_protocol) == (
        (b"hi",),
        "close",
        "line",
        "on",
    )
    assert (first.limits.grace, first.limits.frame) == (1, 1024)
    assert (ruled.reply, len(ruled.rules), ruled.then) == (None, 1, "keep")
    assert (ruled.limits.grace, ruled.limits.frame) == (1, 2048)
    assert (datagrams.reply, datagrams.then, datagrams.framing.kind) == ((b"hi",), "keep", "stream")
    assert datagrams.proxy_protocol == services["echo"].proxy_protocol == "off"


def test_quotes_in_a_file(tmp_path: Path) -> None:
    """The name is relative to the file that says it, and the file counts as read."""
    write(tmp_path, "one\n\ntwo\nlines\n", "conf.d/q.txt")
    write(tmp_path, "services: {q: {listen: tcp:9, protocol: qotd, quotes: q.txt}}", "conf.d/q.yaml")
    config = good(tmp_path, SERVICE + "include: ['conf.d/*.yaml']\n")
    assert config.services["q"].model_dump()["quotes"] == (b"one\n", b"two\nlines\n")
    assert [Path(name).name for name in config.files] == ["f.yaml", "q.yaml", "q.txt"]


@pytest.mark.parametrize(
    ("raw", "quotes"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"%\n%\n", []),
        (b"a", [b"a\n"]),
        (b"a\n\n\nb\n", [b"a\n", b"b\n"]),
        (b"a\n\nb\n%\nc\n%\n", [b"a\n\nb\n", b"c\n"]),
        (b"a\r\n%\r\nb\r\n", [b"a\r\n", b"b\r\n"]),
        (b"\xff\n", [b"\xff\n"]),
    ],
)
def test_split_quotes(raw: bytes, quotes: list[bytes]) -> None:
    """Paragraphs, or lines of % as in fortune files."""
    assert split_quotes(raw) == quotes


def settings_of_every_kind() -> list[bytes]:
    """Return files that are right, and together use every setting."""
    rich = b"""\
include: ['none/*.yaml']
services:
  smtp:
    listen: ['tcp:2525:interface=127.0.0.1', "unix:/run/a:mode=660"]
    protocol: reply
    framing: {delimiter: "\\r\\n"}
    greeting: "220 ready\\r\\n"
    connect: tcp:localhost:2525
    limits: {connections: 5, idle_timeout: 5m, buffer: 1MiB, datagrams_per_source: 0}
    allow: [10.0.0.0/8, '2001:db8::/32']
    rules:
      - when: {regex: '^(?i:EHLO) (\\S+)'}
        reply: ["250 {1}", !!binary aGk=]
      - when: {length: 3}
        reply: {hex: "00 ff"}
        then: half-close
      - reply: "500 ${HOME:-x}"
  q: {listen: 'udp:17', protocol: qotd, quotes: [a, b], amplify: true}
  p:
    listen: systemd:domain=INET:name=x
    protocol: python:a.b:c
    proxy_protocol: auto
    trusted_proxies: [10.0.0.1]
"""
    return [rich, DEFAULTS.encode(), (ROOT / "config/echod.yaml").read_bytes()]


def test_the_reader_survives_10000_mutated_files(tmp_path: Path) -> None:
    """Whatever happens to the bytes of a good file, a Config or a ConfigError comes out, and soon."""
    chance = random.Random(862)
    samples = settings_of_every_kind()
    for sample in samples:
        load(write(tmp_path, sample), {})
    pieces = [
        b"\n",
        b"  ",
        b": ",
        b"- ",
        b"[",
        b"{",
        b"'",
        b'"',
        b"&a ",
        b"*a",
        b"!!",
        b"${",
        b"\xff",
        b"\0",
        b"010",
    ]
    refused = 0
    odd: list[str] = []
    path = tmp_path / "m.yaml"
    start = time.process_time()
    for _ in range(10_000):
        raw = bytearray(chance.choice(samples))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(raw))
            kind = chance.randrange(4)
            if kind == 0:
                raw[at] = chance.randrange(256)
            elif kind == 1:
                del raw[at : at + chance.randint(1, 20)]
            elif kind == 2:
                raw[at:at] = chance.choice(pieces)
            else:
                other = chance.randrange(len(raw))
                raw[at:at] = raw[other : other + 30]
        path.write_bytes(raw)
        try:
            load(path, {})
        except ConfigError as error:
            lines = str(error).splitlines()
            refused += bool(lines)
            odd += [line for line in lines if not line.isprintable()]
    assert not odd
    assert 5_000 < refused < 10_000
    assert time.process_time() - start < 60


SECONDS = {
    "services": "services:\n"
    + "".join(f" a{i}: {{listen: 'tcp:{i + 1}', protocol: echo}}\n" for i in range(MOST_NODES // 7)),
    "addresses": "services:\n a:\n  protocol: echo\n  listen: ["
    + ",".join(f"tcp:{i}" for i in range(MOST_NODES - 100))
    + "]\n",
    "networks": SERVICE
    + "    allow: ["
    + ",".join(f"10.{i >> 8}.{i & 255}.1/24" for i in range(MOST_NODES - 100))
    + "]\n",
    "unknown": SERVICE + "".join(f"    lisen{i}: 1\n" for i in range(MOST_NODES // 2 - 100)),
    "rules": SERVICE.replace("echo", "reply") + "    rules:\n" + "      - {reply: a}\n" * (MOST_NODES // 3 - 100),
    "quotes": SERVICE.replace("echo", "qotd") + "    quotes: [" + "a," * (MOST_NODES - 100) + "]\n",
    "text": SERVICE.replace("echo", "reply") + "    reply: '" + "x" * 1_000_000 + "'\n",
    "address": "services: {a: {protocol: echo, listen: 'tcp" + ":1" * 500_000 + "'}}",
    "backslashes": "services: {a: {protocol: echo, listen: 'tcp:" + "\\" * 1_000_000 + "'}}",
    "python": "services: {a: {listen: 'tcp:1', protocol: 'python:" + "a." * 500_000 + "'}}",
}


@pytest.mark.parametrize("name", SECONDS)
def test_large_files_take_less_than_a_second(tmp_path: Path, name: str) -> None:
    """As many settings, or as large ones, as a file may hold; right or wrong."""
    path = write(tmp_path, SECONDS[name])
    start = time.process_time()
    try:
        load(path, {})
    except ConfigError as error:
        problems = len(error.problems)
    else:
        problems = 0
    assert time.process_time() - start < 1
    assert problems <= 1001
    assert (problems == 0) == (name in {"services", "addresses", "quotes", "text"})
