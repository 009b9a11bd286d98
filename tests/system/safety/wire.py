"""
A wire: two network namespaces with a veth pair between them, and the same addresses every time.

The daemon runs at one end, `SERVER`; the tests open their sockets at the other, `CLIENT`, or beside the daemon. Root
only, as whoever forges addresses must be.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.daemon import wait_until
from tests.system.networks import private_network
from tests.system.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_4, SECOND_4, BROADCAST_4 = "10.99.0.1", "10.99.0.2", "10.99.0.255"
SERVER_6, SECOND_6 = "fd99::1", "fd99::2"
CLIENT_4, OTHER_4 = "10.99.0.9", "10.99.0.8"
CLIENT_6, OTHER_6 = "fd99::9", "fd99:0:0:8::8"
SERVER_MAC, CLIENT_MAC = "02:00:00:00:00:01", "02:00:00:00:00:09"
SERVER_LINK, CLIENT_LINK = "fe80::ff:fe00:1", "fe80::ff:fe00:9"

_CLONE_NEWNET = 0x40000000


class Place:
    """
    One end: a network namespace.

    :param prefix: the command that runs another one in it.
    """

    def __init__(self, prefix: list[str]) -> None:
        self.prefix = prefix
        self._path = prefix[1].removeprefix("--net=")

    def run(self, *words: str) -> str:
        """Run a command there, which must succeed, and return what it wrote."""
        done = subprocess.run([*self.prefix, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def ip(self, line: str) -> None:
        """Change addresses, links and routes with iproute2."""
        self.run(program("ip"), *line.split())

    def configure(self, **values: int) -> None:
        """Change kernel parameters of the network, as sysctl(8) does; `__` stands for a `/`."""
        for name, value in values.items():
            self.run("sh", "-c", f"echo {value} > /proc/sys/net/{name.replace('__', '/')}")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread open sockets there; they stay there (setns(2))."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/thread-self/ns/net").open() as before, Path(self._path).open() as there:
            assert libc.setns(there.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(before.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

    def received(self) -> int:
        """Return how many UDP datagrams were received there, over IPv4 and IPv6."""
        return self._count("InDatagrams", "Udp6InDatagrams")

    def sent(self) -> int:
        """Return how many UDP datagrams left from there."""
        return self._count("OutDatagrams", "Udp6OutDatagrams")

    def _count(self, name_4: str, name_6: str) -> int:
        folder = Path(self._path).parent.parent / "net"
        names, values = re.findall(r"^Udp: (.*)$", (folder / "snmp").read_text(encoding="ascii"), re.MULTILINE)
        count_4 = dict(zip(names.split(), values.split(), strict=True))[name_4]
        count_6 = re.search(rf"^{name_6}\s+(\d+)$", (folder / "snmp6").read_text(encoding="ascii"), re.MULTILINE)
        assert count_6 is not None, name_6
        return int(count_4) + int(count_6[1])


class Wire:
    """
    Both ends.

    :ivar server: where the daemon is to run, in interface `s`.
    :ivar client: the other end, interface `c`.
    """

    def __init__(self, server: Place, client: Place) -> None:
        self.server = server
        self.client = client

    def lay(self) -> None:
        """Lay the wire and give both ends their addresses. Nothing is filtered by its source."""
        for place in (self.server, self.client):
            place.configure(
                ipv6__conf__default__accept_dad=0, ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0
            )
        self.server.ip(
            f"link add s address {SERVER_MAC} type veth peer name c address {CLIENT_MAC} netns {_pid(self.client)}"
        )
        for place, name, addresses in (
            (self.server, "s", (f"{SERVER_4}/24", f"{SECOND_4}/24", f"{SERVER_6}/64", f"{SECOND_6}/64")),
            (self.client, "c", (f"{CLIENT_4}/24", f"{OTHER_4}/24", f"{CLIENT_6}/64", f"{OTHER_6}/64")),
        ):
            for address in addresses:
                place.ip(f"address add {address} {'broadcast + ' if '.' in address else ''}dev {name}")
            place.ip(f"link set {name} up")
        for place, name in ((self.server, "s"), (self.client, "c")):
            _await_link_local(place, name)
        self.server.ip(f"route add default via {CLIENT_4}")
        self.server.ip(f"-6 route add default via {CLIENT_6}")

    def lay_second(self) -> None:
        """Lay another wire beside the first, `s2` and `c2`, with the same link-local addresses."""
        self.server.ip(
            f"link add s2 address {SERVER_MAC} type veth peer name c2 address {CLIENT_MAC} netns {_pid(self.client)}"
        )
        for place, name, host in ((self.server, "s2", "10.98.0.1"), (self.client, "c2", "10.98.0.9")):
            place.ip(f"address add {host}/24 dev {name}")
            place.ip(f"link set {name} up")
        for place, name in ((self.server, "s2"), (self.client, "c2")):
            _await_link_local(place, name)


@contextmanager
def laid() -> Iterator[Wire]:
    """Give a wire, for a `with` statement."""
    assert os.geteuid() == 0, "only root can make networks: run the tests in tests/system/safety as root"
    with ExitStack() as stack:
        ends = [Place(stack.enter_context(contextmanager(private_network)())) for _ in range(2)]
        wire = Wire(*ends)
        wire.lay()
        yield wire


def _await_link_local(place: Place, name: str) -> None:
    """Wait until an interface has its own address: the kernel gives it a moment after the interface is up."""
    words = [program("ip"), "-6", "-o", "address", "show", "dev", name, "scope", "link"]
    wait_until(lambda: "fe80:" in place.run(*words), f"{name} has a link-local address")


def _pid(place: Place) -> str:
    """Return a process that lives there."""
    return Path(place.prefix[1]).parts[-3]
