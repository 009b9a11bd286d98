"""What is made in the console is kept, whenever the daemon is killed."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.system.console.calls import Caller, Lost, asked
from tests.system.daemon import Daemon

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
services:
  by-hand: {listen: udp:0:interface=127.0.0.1, protocol: echo}
console: {listen: tcp:0:interface=127.0.0.1}
"""
NAMES = ("a", "b", "c", "d", "e", "f")
CHANGES = 200
KILLS = 7


def settings(number: int) -> dict[str, Any]:
    """Return settings that no other change has, some of them longer than a page of memory."""
    return {
        "listen": "udp:0:interface=127.0.0.1",
        "protocol": "reply",
        "reply": [f"{number} " * (1 + number % 5 * 700), f"{number}"],
        "description": f"the {number}th",
    }


class Editor:
    """
    Somebody who changes services, and knows what must be there.

    :ivar kept: what each service is; None for one that is not there.
    :ivar doubt: the service whose last change got no answer, and what it was to become.
    """

    def __init__(self, daemon: Daemon, dice: random.Random) -> None:
        self._call = Caller(daemon)
        self._dice = dice
        self.kept: dict[str, dict[str, Any] | None] = dict.fromkeys(NAMES)
        self.doubt: tuple[str, dict[str, Any] | None] | None = None
        self.seconds: list[float] = []

    def change(self, number: int) -> None:
        """Make, change or remove a service; raises one of `Lost` when there is no answer."""
        name = self._dice.choice(NAMES)
        removed = self.kept[name] is not None and self._dice.random() < 0.3
        self.put(name, None if removed else settings(number))

    def put(self, name: str, wanted: dict[str, Any] | None) -> None:
        """Let a service be what is wanted; None for not there."""
        before = self.kept[name]
        self.doubt = (name, wanted)
        began = time.monotonic()
        if wanted is None:
            reply = self._call("DELETE", f"/api/services/{name}")
        elif before is None:
            reply = self._call("POST", "/api/services", {"name": name, **wanted})
        else:
            reply = self._call("PUT", f"/api/services/{name}", wanted, If_Match="*")
        assert reply.status == (204 if wanted is None else 201 if before is None else 200), reply
        self.seconds.append(time.monotonic() - began)
        self.kept[name] = wanted
        self.doubt = None

    def look(self) -> str:
        """Compare with what is there, and say of the change without an answer whether it was done."""
        shown = {each["name"]: each for each in self._call("GET", "/api/services").json["services"]}
        assert shown.pop("by-hand")
        there = {name: each["settings"] for name, each in shown.items()}
        for each in shown.values():
            host, _, port = each["addresses"][0]["address"].rpartition(":")
            assert asked((host, int(port)), b"x") == each["settings"]["reply"][0].encode()
        verdict = "all answered"
        if self.doubt is not None:
            name, wanted = self.doubt
            found = there.get(name)
            assert found in (self.kept[name], wanted), f"{name} is neither what it was nor what it was to become"
            verdict = "done" if found == wanted else "not done"
            self.kept[name], self.doubt = found, None
        assert there == {name: kept for name, kept in self.kept.items() if kept is not None}
        return verdict


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Each service is there again, whole, in its old or its new form, and is served; none is lost."""
    dice = random.Random(20261122)
    daemon = Daemon(tmp_path, CONFIG, listeners=2)
    editor = Editor(daemon, dice)
    verdicts = []
    try:
        daemon.start()
        number = 0
        for turn in range(KILLS):
            for _ in range(CHANGES // KILLS if turn else CHANGES - CHANGES // KILLS * (KILLS - 1)):
                number += 1
                editor.change(number)
            usual = sorted(editor.seconds)[len(editor.seconds) // 2]
            # Some changes later, somewhere in one.
            killer = threading.Timer(dice.uniform(0, 3 * usual), daemon.kill)
            killer.start()
            try:
                while True:
                    number += 1
                    editor.change(number)
            except Lost:
                killer.join()
            # By hand, the console, and each that is kept.
            daemon._listeners = 2 + len(list((tmp_path / "conf.d").glob("*.yaml")))
            daemon.start()
            verdicts.append(editor.look())
        print(f"{number} changes, median {usual * 1000:.1f} ms; of those that were cut off: {verdicts}")
        # What was half written when it was killed is cleared away by the next change that writes.
        editor.put("a", settings(number))
        assert editor.look() == "all answered"
        expected = {f"{name}.yaml" for name, kept in editor.kept.items() if kept is not None}
        assert {each.name for each in (tmp_path / "conf.d").iterdir()} == expected
        daemon.stop()
    finally:
        daemon.kill()
