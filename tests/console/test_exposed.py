"""What the console does not take, so that nobody reaches the daemon's files and code through it."""

from __future__ import annotations

from typing import Any

import pytest

from echod.console.exposed import refused


@pytest.mark.parametrize(
    ("settings", "paths"),
    [
        ({"protocol": "python:os:system"}, ["protocol"]),
        ({"protocol": "python:"}, ["protocol"]),
        ({"quotes": "/etc/passwd"}, ["quotes"]),
        ({"listen": "unix:/run/x.sock"}, ["listen"]),
        ({"listen": "unixgram:/run/x.sock"}, ["listen"]),
        ({"listen": "ssl:443:privateKey=/etc/key.pem"}, ["listen"]),
        ({"listen": "systemd:domain=INET:name=x"}, ["listen"]),
        ({"listen": "plugin:anything"}, ["listen"]),
        ({"listen": r"un\ix:/run/x.sock"}, ["listen"]),
        ({"listen": ["tcp:1", "unix:/x", "udp:2", "ssl:3"]}, ["listen[1]", "listen[3]"]),
        ({"connect": "unix:/var/run/docker.sock"}, ["connect"]),
        ({"connect": "tls:example.com:443"}, ["connect"]),
        ({"protocol": "python:a:b", "quotes": "x", "listen": "unix:/x"}, ["protocol", "quotes", "listen"]),
    ],
)
def test_files_and_code_are_for_files_written_by_hand(settings: dict[str, Any], paths: list[str]) -> None:
    """Each with its place, and with what would be right."""
    found = list(refused(settings))
    assert [each.path for each in found] == paths
    assert all("by hand" in each.message for each in found)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"protocol": "qotd", "quotes": ["x"], "listen": ["tcp:1", "tcp6:2", "udp:3", "udp6:4"], "connect": "tcp:h:1"},
        {"protocol": 1, "quotes": {}, "listen": [1, None, {}], "connect": []},
        {"listen": "nonsense", "connect": "tcp"},
    ],
)
def test_the_rest_is_for_who_reads_the_settings(settings: dict[str, Any]) -> None:
    """What is wrong in another way has its own problems there."""
    assert list(refused(settings)) == []
