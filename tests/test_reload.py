"""Going over to another configuration: all of it or none, and nothing is lost on the way."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from echod.client import ask
from echod.config import ConfigError
from echod.opening import BindError
from echod.plan import Plan
from echod.service import StoppingError
from echod.systemd import Told
from echod.transport.inherited import Inherited
from echod.transport.mmsg import Batch
from tests.bound import Maker, at

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from echod.service import Echod

in_reactor: Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Any]] = pytest_twisted.ensureDeferred


@pytest.fixture(name="make")
def service_maker(tmp_path: Path) -> Iterator[Maker]:
    """Make services of a file's text, and close what is open at the end."""
    maker = Maker(tmp_path / "echod.yaml")
    yield maker
    maker.close()


def started(make: Maker, text: str, batch: Batch | None = None, inherited: Inherited | None = None) -> Echod:
    """Make a service that serves."""
    service = make(text, batch, inherited)
    service.bind()
    service.startService()
    return service


async def answer(service: Echod, name: str, number: int = 0, message: bytes = b"x") -> bytes:
    """Return what a service answers."""
    from twisted.internet import reactor

    listen, address = list(service.services[name].addresses())[number]
    kind = "udp" if listen.datagram else "tcp"
    return await ask(reactor, f"{kind}:{address.replace('0.0.0.0', '127.0.0.1')}", message)


async def heard(sock: socket.socket, size: int = 99) -> bytes:
    """Return what comes on a socket of ours, while the reactor turns."""
    from twisted.internet import reactor

    sock.setblocking(False)
    for _ in range(2_000):
        try:
            return sock.recv(size)
        except BlockingIOError:  # noqa: PERF203 - nothing has come yet
            await deferLater(reactor, 0.001)
    raise AssertionError("nothing came")


@contextmanager
def client(service: Echod, name: str, kind: socket.SocketKind = socket.SOCK_STREAM, number: int = 0) -> Iterator[Any]:
    """Connect to a service."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.connect(at(service, name, number))
        yield sock


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port on which nothing listens."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


A = "  a: {{listen: tcp:0:interface=127.0.0.1, protocol: reply, reply: {}}}\n"
B = "  b: {{listen: ['tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1'], protocol: reply, reply: {}}}\n"
C = "  c: {{listen: tcp:0:interface=127.0.0.1, protocol: reply, reply: {}}}\n"


@in_reactor
async def test_kept_changed_added_removed(make: Maker) -> None:
    """What is kept is not touched; what is changed keeps its port, and its connections their old settings."""
    service = started(make, A.format("a") + B.format("old") + C.format("c"))
    ports = [at(service, "a"), at(service, "b"), at(service, "b", 1)]
    gone = at(service, "c")
    with client(service, "a") as kept, client(service, "b") as changed:
        changed.sendall(b"x")
        assert await heard(changed) == b"old"
        make.write(A.format("a") + B.format("new") + "  d: {listen: tcp:0:interface=127.0.0.1, protocol: echo}\n")
        steps = await service.reload()
        assert steps == Plan(("a",), ("b",), ("d",), ("c",))
        assert [at(service, "a"), at(service, "b"), at(service, "b", 1)] == ports
        changed.sendall(b"x")
        assert await heard(changed) == b"old"
        kept.sendall(b"x")
        assert await heard(kept) == b"a"
        for number in (0, 1):
            assert await answer(service, "b", number) == b"new"
        assert await answer(service, "d") == b"x"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(gone)
    assert service.reloads == {"success": 1, "failure": 0}
    await service.stopService()


@in_reactor
async def test_an_address_moves_to_another_service(make: Maker) -> None:
    """One takes over the sockets of the other; connections that wait in the kernel are the new one's."""
    text = (
        "  {}: {{listen: ['tcp:{}:interface=127.0.0.1', 'udp:{}:interface=127.0.0.1'], protocol: reply, reply: {}}}\n"
    )
    port = free_port()
    service = started(make, text.format("a", port, port, "one"))
    make.write(text.format("b", port, port, "two"))
    with client(service, "a") as waiting, client(service, "a", socket.SOCK_DGRAM, 1) as datagrams:
        # Nobody has accepted or read yet: the reactor has not turned since.
        waiting.sendall(b"x")
        datagrams.send(b"xxx")
        steps = await service.reload()
        assert steps == Plan(added=("b",), removed=("a",))
        assert await heard(waiting) == b"two"
        assert await heard(datagrams) == b"two"
    await service.stopService()


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@in_reactor
async def test_from_every_address_to_one_and_back(make: Maker, kind: str) -> None:
    """The kernel would not have both at a time, unless they shared the port."""
    text = "  a: {{listen: '{}:{}{}', protocol: reply, reply: {}}}\n"
    port = free_port(socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    service = started(make, text.format(kind, port, "", "'1'"))
    for number, interface in ((2, ":interface=127.0.0.1"), (3, ""), (4, ":interface=127.0.0.1")):
        make.write(text.format(kind, port, interface, f"'{number}'"))
        await service.reload()
        assert await answer(service, "a") == b"%d" % number
    (opened,) = service.services["a"].ports
    assert not opened.port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    await service.stopService()


@in_reactor
async def test_one_busy_port_and_nothing_changes(make: Maker) -> None:
    """What was bound before it is let go of, and what was there goes on under the old settings."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        service = started(make, A.format("old"))
        first, taken = free_port(), busy.getsockname()[1]
        other = f"  m: {{listen: tcp:{first}:interface=127.0.0.1, protocol: echo}}\n"
        other += f"  z: {{listen: tcp:{taken}:interface=127.0.0.1, protocol: echo}}\n"
        make.write(A.format("new") + other)
        with pytest.raises(
            BindError, match=rf"services.z.listen: cannot listen on tcp:{taken}.*: address already in use"
        ):
            await service.reload()
    assert await answer(service, "a") == b"old"
    assert list(service.services) == list(service.config.services) == ["a"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first))
    assert service.reloads == {"success": 0, "failure": 1}
    await service.reload()
    assert await answer(service, "a") == b"new"
    await service.stopService()


@in_reactor
async def test_a_bad_file_changes_nothing(make: Maker) -> None:
    """Every problem is told, and the old services go on."""
    service = started(make, A.format("old"))
    make.write("  a: {listen: tcp:99999, protocol: ehco}\n")
    with pytest.raises(ConfigError) as caught:
        await service.reload()
    assert len(caught.value.problems) == 2
    assert await answer(service, "a") == b"old"
    await service.stopService()


@in_reactor
async def test_a_failure_gives_back_what_it_shared(make: Maker) -> None:
    """A port that was to be left is not open to other processes of this user afterwards."""
    port = free_port()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        service = started(make, f"  a: {{listen: tcp:{port}, protocol: echo}}\n")
        make.write(
            f"  a: {{listen: ['tcp:{port}:interface=127.0.0.1', 'tcp:{busy.getsockname()[1]}'], protocol: echo}}\n"
        )
        with pytest.raises(BindError):
            await service.reload()
    (opened,) = service.services["a"].ports
    assert not opened.port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    assert await answer(service, "a") == b"x"
    await service.stopService()


@pytest.mark.parametrize("batched", [True, False])
@in_reactor
async def test_datagrams_that_wait_are_answered(make: Maker, batched: bool) -> None:
    """The socket goes from one port to the next, from batches to single datagrams and back, with all it holds."""
    port = free_port(socket.SOCK_DGRAM)
    listen = f"listen: udp:{port}:interface=127.0.0.1"
    service = started(make, f"  a: {{{listen}, protocol: echo}}\n", Batch() if batched else None)
    with client(service, "a", socket.SOCK_DGRAM) as sock:
        for turn in range(3):
            protocol = "echo" if turn % 2 else "reply, reply: hi"
            for number in range(100):
                sock.send(b"%03d" % number)
            make.write(f"  a: {{{listen}, protocol: {protocol}}}\n")
            await service.reload()
            answers = [await heard(sock) for _ in range(100)]
            assert answers == ([b"%03d" % number for number in range(100)] if turn % 2 else [b"hi"] * 100)
    assert service.services["a"].tally.messages_received == 300
    await service.stopService()


@pytest.mark.parametrize("batched", [True, False])
@in_reactor
async def test_a_datagram_that_is_too_long(make: Maker, batched: bool) -> None:
    """A limit on messages is one on datagrams, also where a change brings it."""
    text = "  a: {{listen: 'udp:0:interface=127.0.0.1', protocol: echo, limits: {{frame: {}}}}}\n"
    service = started(make, text.format("64KiB"), Batch() if batched else None)
    with client(service, "a", socket.SOCK_DGRAM) as sock:
        sock.send(bytes(5_000))
        assert len(await heard(sock, 9_999)) == 5_000
        make.write(text.format(100))
        await service.reload()
        for size in (101, 100):
            sock.send(bytes(size))
        assert len(await heard(sock, 9_999)) == 100
    assert service.drops()["a"]["frame"] == 1
    await service.stopService()


@in_reactor
async def test_a_removed_service_answers_what_it_accepted(make: Maker) -> None:
    """Its connections are drained as at a stop."""
    service = started(make, A.format("a") + "  e: {listen: tcp:0:interface=127.0.0.1, protocol: echo}\n")
    with client(service, "e") as sock:
        sock.sendall(b"left in the kernel")
        make.write(A.format("a"))
        await service.reload()
        assert await heard(sock) == b"left in the kernel"
        assert await heard(sock) == b""
    await service.stopService()


@in_reactor
async def test_who_is_in_counts_under_new_limits(make: Maker) -> None:
    """A service that became full by a change stops accepting until one of the old connections ends."""
    text = "  a: {{listen: tcp:0:interface=127.0.0.1, protocol: reply, reply: hi, limits: {{connections: {}}}}}\n"
    service = started(make, text.format(5))
    with client(service, "a") as first:
        first.sendall(b"x")
        assert await heard(first) == b"hi"
        make.write(text.format(1))
        await service.reload()
        with client(service, "a") as second:
            second.sendall(b"x")
            with pytest.raises(AssertionError, match="nothing came"):
                await heard(second)
            first.close()
            assert await heard(second) == b"hi"
    await service.stopService()


@in_reactor
async def test_a_port_added_is_an_own_port_for_everyone(make: Maker) -> None:
    """Also for a service that was kept, and that knew the peer as one that may always come."""
    text = "  a: {listen: udp:0:interface=127.0.0.1, protocol: echo}\n"
    service = started(make, text, Batch())
    port = free_port(socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        sock.connect(at(service, "a"))
        sock.send(b"known")
        assert await heard(sock) == b"known"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        make.write(text + f"  b: {{listen: udp:{port}, reuse_port: true, protocol: discard}}\n")
        await service.reload()
        sock.send(b"from an own port")
        with pytest.raises(AssertionError, match="nothing came"):
            await heard(sock)
    assert service.drops()["a"] == {"own-port": 1, "kernel": 0}
    await service.stopService()


@in_reactor
async def test_sockets_of_systemd_stay_with_us(make: Maker) -> None:
    """A service that was removed can come back: the socket was passed once."""
    text = "  s: {listen: [systemd:domain=INET:name=t, systemd:domain=INET:name=u:type=datagram], protocol: echo}\n"
    other = A.format("a")
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        for sock in (stream, datagram):
            sock.bind(("127.0.0.1", 0))
        stream.listen()
        passed = Inherited([stream.fileno(), datagram.fileno()], ["t", "u"])
        service = started(make, other + text, inherited=passed)
        for written in (other, other + text, other + text.replace("echo", "reply, reply: hi")):
            make.write(written)
            await service.reload()
        from twisted.internet import reactor

        for kind, sock in (("tcp", stream), ("udp", datagram)):
            assert await ask(reactor, f"{kind}:127.0.0.1:{sock.getsockname()[1]}", b"xx") == b"hi"
        await service.stopService()


@in_reactor
async def test_unix_sockets_keep_their_files(make: Maker, tmp_path: Path) -> None:
    """A connection in the queue is not refused in between, and the mode is the new one."""
    path = tmp_path / "s"
    service = started(make, f"  a: {{listen: 'unix:{path}:mode=666', protocol: echo}}\n")
    before = path.stat()
    make.write(f"  a: {{listen: 'unix:{path}:mode=600', protocol: reply, reply: hi}}\n")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(b"x")
        await service.reload()
        assert await heard(sock) == b"hi"
    after = path.stat()
    assert (before.st_ino, stat.S_IMODE(after.st_mode)) == (after.st_ino, 0o600)
    await service.stopService()
    assert not path.exists()


def new_certificate(key: Path, certificate: Path) -> None:
    """Make a key and a certificate in the place of those that were there."""
    subject = ["-subj", "/CN=localhost", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
@in_reactor
async def test_certificates_are_read_anew(make: Maker, tmp_path: Path) -> None:
    """Also by services that are kept; one that cannot be read leaves everything as it was."""
    import ssl

    from twisted.internet.threads import deferToThread

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    new_certificate(key, certificate)
    text = f"  t: {{listen: 'ssl:0:privateKey={key}:certKey={certificate}:interface=127.0.0.1', protocol: echo}}\n"
    service = started(make, text)
    where = at(service, "t")

    async def shown() -> bytes:
        pem: str = await deferToThread(ssl.get_server_certificate, where)
        return ssl.PEM_cert_to_DER_cert(pem)

    def written() -> bytes:
        return ssl.PEM_cert_to_DER_cert(certificate.read_text())

    first = written()
    assert await shown() == first
    new_certificate(key, certificate)
    steps = await service.reload()
    assert steps == Plan(kept=("t",))
    assert first != await shown() == written()
    second = written()
    certificate.write_text("no certificate")
    with pytest.raises((ConfigError, BindError)):
        await service.reload()
    assert await shown() == second
    await service.stopService()


@in_reactor
async def test_what_persist_raises_prevents_the_change(make: Maker) -> None:
    """The caller could not keep what it wanted, so it must not be."""
    service = started(make, A.format("old"))
    make.write(A.format("new") + B.format("b"))

    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        await service.change({}, fail)
    # Whoever wanted it knows; no operator need be woken.
    assert service.reloads == {"success": 0, "failure": 0}
    assert list(service.services) == ["a"]
    assert await answer(service, "a") == b"old"
    await service.stopService()


@in_reactor
async def test_changes_follow_each_other(make: Maker) -> None:
    """Each sees what the one before it left; persist runs between preparing and changing."""
    service = started(make, A.format("old"))
    seen: list[list[str]] = []
    make.write(A.format("new") + B.format("b"))
    both = [service.change({}, lambda: seen.append(list(service.services))) for _ in range(2)]
    assert [await each for each in both] == [Plan(changed=("a",), added=("b",)), Plan(kept=("a", "b"))]
    assert seen == [["a"], ["a", "b"]]
    await service.stopService()


@in_reactor
async def test_no_change_while_stopping(make: Maker) -> None:
    """A stop has begun: nothing is opened any more."""
    service = started(make, A.format("old"))
    make.write(A.format("new") + B.format("b"))
    stopped = service.stopService()
    with pytest.raises(StoppingError):
        await service.reload()
    await stopped
    assert list(service.services) == ["a"]


class Heard(Told):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def ready(self, status: str) -> None:
        """Note it."""
        self.said.append(f"ready: {status}")

    def reloading(self) -> None:
        """Note it."""
        self.said.append("reloading")

    def reloaded(self, status: str) -> None:
        """Note it."""
        self.said.append(f"reloaded: {status}")

    def stopping(self, grace: float) -> None:
        """Note it."""
        self.said.append(f"stopping within {grace:g} s")


@in_reactor
async def test_supervisors_are_told(make: Maker) -> None:
    """Of the start, of each reload and how it went, and of the stop."""
    service = make(A.format("a"))
    told = Heard()
    service.told = told
    service.bind()
    assert told.said == []
    service.startService()
    make.write(A.format("a") + B.format("b"))
    await service.reload()
    make.write("nonsense")
    with pytest.raises(ConfigError):
        await service.reload()
    await service.stopService()
    begins = (
        "ready: serving 1 service",
        "reloading",
        "reloaded: serving 2 services",
        "reloading",
        "reloaded: ",
        "stop",
    )
    assert [line.startswith(begin) for line, begin in zip(told.said, begins, strict=True)] == [True] * 6
    assert told.said[4].endswith("; the last reload failed, see the log")
    assert told.said[5] == "stopping within 10 s"


@in_reactor
async def test_a_plugins_port_is_switched(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its port cannot be given another factory, and goes on all the same; one that fails later changes nothing."""
    from twisted.internet import endpoints

    from tests.test_service import ForeignPort, Plugin

    plugin = Plugin()
    monkeypatch.setattr(endpoints, "getPlugins", lambda *_: [plugin])
    factories: list[Any] = []

    def listen(factory: Any) -> Deferred[Any]:
        factories.append(factory)
        return plugin.listening

    monkeypatch.setattr(plugin, "listen", listen)
    late = "  late: {{listen: later:{}, protocol: reply, reply: {}}}\n"
    port = ForeignPort()
    plugin.listening.callback(port)
    service = started(make, late.format("x", "one"))
    (factory,) = factories
    said = [factory.buildProtocol(None).owner.answer]
    make.write(late.format("x", "two"))
    await service.reload()
    said.append(factory.buildProtocol(None).owner.answer)
    assert said[0] is not said[1]
    assert len(factories) == 1

    plugin.listening = Deferred()
    make.write(late.format("y", "three") + A.format("a"))
    changing = service.reload()
    plugin.listening.errback(ValueError("no such onion"))
    with pytest.raises(BindError, match="no such onion"):
        await changing
    assert list(service.services) == ["late"]
    assert port.stopped == 0
    await service.stopService()
    assert port.stopped == 1
