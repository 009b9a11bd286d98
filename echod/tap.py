"""
What `twistd echod` does: its options, and the service that they make.

Exit statuses: 0 stopped, 1 wrong usage (twistd's own), 71 an address cannot be had, 77 for want of a permission, 78 the
configuration is wrong.
"""

from __future__ import annotations

import atexit
import gc
import os
import random
import socket
import sys
import time
import uuid
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from twisted.python import usage

from echod import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from echod.answers.answer import Answer, World
    from echod.config import Config
    from echod.running import Running
    from echod.service import Echod

EX_OSERR = 71
EX_NOPERM = 77
EX_CONFIG = 78


class Options(usage.Options):
    """The options after `echod`; those before it are twistd's own."""

    optParameters = [  # noqa: RUF012 - Twisted's way to declare them
        ["config", "c", None, "The YAML file to serve. Without it, an example on loopback is served."],
    ]
    longdesc = "Serves TCP and UDP echo and reply services as one YAML file says."

    def opt_version(self) -> None:
        """Show echod's version and exit."""
        sys.stdout.write(f"echod {__version__}\n")
        sys.exit(0)

    def parseArgs(self, *surplus: str) -> None:
        """Refuse words that belong to no option. Called by Twisted."""
        if surplus:
            raise usage.UsageError(f"what is {surplus[0]!r}? To serve a file: twistd echod --config {surplus[0]}")


def world() -> World:
    """Make what answers may know of this machine."""
    from echod.answers.answer import World  # noqa: PLC0415 - `twistd --help` needs none of it

    return World(time.time, lambda: str(uuid.uuid4()), random.random, socket.gethostname())


def makeService(options: Mapping[str, Any]) -> Echod:
    """
    Read the configuration and bind every address. Called by twistd, before it forks and gives up privileges.

    :raises SystemExit: 78, 71 or 77, the reason having been written to standard error.
    """
    # While all this is loaded and made, none of it becomes garbage: to look for some is a sixth of the start's work.
    gc.disable()
    try:
        return _made(options)
    finally:
        # What is here now stays to the end. Looking through all of it, again and again, took up to 0.2 s each time, in
        # which nobody was answered.
        gc.freeze()
        gc.enable()


def _made(options: Mapping[str, Any]) -> Echod:
    # twistd has chosen the reactor by now (its option --reactor), so this is the first moment to import it.
    from twisted.internet import reactor  # noqa: PLC0415

    from echod.config import ConfigError  # noqa: PLC0415
    from echod.daemon import daemon  # noqa: PLC0415
    from echod.logs import complain  # noqa: PLC0415
    from echod.opening import BindError  # noqa: PLC0415
    from echod.signals import Reloader, install  # noqa: PLC0415

    # First of all: the signal's default action is death, and supervisors take that one for a good end.
    reloader = Reloader(reactor)
    reloader.install()
    file = None if options["config"] is None else _findable(Path(options["config"]), options)
    again = partial(read, file, os.environ, again=True)
    try:
        service = daemon(reactor, read(file, os.environ), again, os.environ, getattr(options, "parent", None))
        service.bind()
    except ConfigError as error:
        complain(str(error), os.environ)
        raise SystemExit(EX_CONFIG) from None
    except BindError as error:
        complain(str(error), os.environ)
        raise SystemExit(EX_NOPERM if error.denied else EX_OSERR) from None

    def late(failure: BindError) -> None:
        """End the daemon: it serves everything or nothing."""
        complain(str(failure), os.environ)
        # twistd ends with 0 after a stopped reactor, and has no way to be told otherwise.
        atexit.register(_exit, EX_NOPERM if failure.denied else EX_OSERR)
        reactor.callWhenRunning(reactor.stop)

    service.on_late_failure(late)
    service.hint = hint(service.services.values(), Path(sys.argv[0]).parent)
    install(service, reactor)
    reloader.reload = service.reload
    return service


def _findable(file: Path, options: Mapping[str, Any]) -> Path:
    """Return a file by a name that it still has when twistd has changed its directory (`--rundir`)."""
    parent = getattr(options, "parent", None)
    return file if parent is None or parent.get("rundir", ".") == "." else file.absolute()


def read(
    file: Path | None,
    environ: Mapping[str, str],
    overlay: Mapping[str, bytes | None] = MappingProxyType({}),
    *,
    again: bool = False,
) -> tuple[Config, dict[str, Answer]]:
    """
    Read the configuration, and make what each service answers.

    :param file: the main file; None for the embedded default.
    :param overlay: see `echod.config.load`; `again` likewise.
    :raises ConfigError: with every problem.
    """
    from echod.answers.choose import answers_for  # noqa: PLC0415
    from echod.config import load  # noqa: PLC0415
    from echod.endpoints import check_endpoints  # noqa: PLC0415

    config = load(file, environ, overlay, again=again)
    check_endpoints(config)
    return config, answers_for(config, world())


def _exit(status: int) -> None:
    """End the process with a status of our own, when all else has been done. Called by Python at its end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def hint(services: Any, scripts: Path) -> str | None:
    """
    Return a command that a newcomer can type, for the first service that a client can reach by an address.

    :param scripts: the directory of the commands, put before `echod` unless it is found by its name alone.
    """
    for running in services:
        line = _send_line(running)
        if line is not None:
            found = str(scripts) in os.environ.get("PATH", "").split(os.pathsep)
            return line if found or str(scripts) == "." else f"{scripts}/{line}"
    return None


def _send_line(running: Running) -> str | None:
    for listen, address in running.addresses():
        if listen.kind in ("tcp", "udp"):
            return f"echod send {listen.kind}:{address.replace('0.0.0.0', '127.0.0.1')} hello"  # noqa: S104
    return None
