"""The programs that these tests start, and where each comes from."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PACKAGES = {
    "/usr/bin/python3": "python3",
    "bash": "bash",
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "fish": "fish",
    "groff": "groff-base",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "lexgrog": "man-db",
    "man": "man-db",
    "nc": "netcat-openbsd",
    "ncat": "ncat",
    "nft": "nftables",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "podman": "podman",
    "prlimit": "util-linux",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "setpriv": "util-linux",
    "setsid": "util-linux",
    "socat": "socat",
    "ss": "iproute2",
    "systemd-analyze": "systemd",
    "tc": "iproute2",
    "unshare": "util-linux",
    "zsh": "zsh",
}
"""The Debian package of each program."""


def program(name: str) -> str:
    """Return the path of a program. Without it the test fails: what is not tried is not known to work."""
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed: apt-get install {PACKAGES[name]}"
    return found


def script(name: str) -> str:
    """Return the path of a command of this environment, such as `twistd`, whatever PATH says."""
    path = Path(sys.executable).with_name(name)
    assert path.exists(), f"{path} does not exist: install echod, with its extra `test`, for {sys.executable}"
    return str(path)


def twistd(*options: str) -> list[str]:
    """
    Return the words before `echod` that start a daemon: twistd, and its own options.

    `ECHOD_TEST_REACTOR` in the environment names the reactor of every daemon that is not asked for another.
    """
    reactor = os.environ.get("ECHOD_TEST_REACTOR")
    asked = any(option.startswith("--reactor") for option in options)
    return [script("twistd"), *([f"--reactor={reactor}"] if reactor and not asked else []), *options]
