"""echod@.service: several echods on one port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.clients import datagrams
from tests.system.systemd.test_service import PORT_7007

if TYPE_CHECKING:
    from tests.system.systemd.box import Box


def test_instances_share_a_port(box: Box) -> None:
    """Each has its share of those who come; when one has stopped, the other has them all."""
    for name in ("east", "west"):
        service = f"{{listen: 'udp:7007:interface=127.0.0.1', reuse_port: true, protocol: reply, reply: {name}}}"
        box.write(f"/etc/echod/{name}.yaml", f"services: {{who: {service}}}")
    box.did("systemctl", "start", "echod@east.service", "echod@west.service")

    def answers() -> set[bytes]:
        return {datagrams(PORT_7007, [b"who?"])[0] for _ in range(64)}

    # The kernel chooses by the client's port: that all 64 have the same would be chance, one in 2 to the 63.
    assert box.here(answers) == {b"east", b"west"}
    box.did("systemctl", "stop", "echod@east.service")
    assert box.here(answers) == {b"west"}
    assert box.property("echod@east.service", "Result") == "success"
