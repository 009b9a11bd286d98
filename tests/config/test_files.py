"""Files that are written to while they are read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from echod.config import ConfigError, load

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "services:\n  a: {listen: tcp:1, protocol: echo}\n"


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read so far is a right file, and yet not what its writer means."""
    file = tmp_path / "echod.yaml"
    file.write_text(TEXT)
    looks = 0

    def fstat(descriptor: int) -> os.stat_result:
        """Look at the file; another process writes on when it was looked at first."""
        nonlocal looks
        found = os.stat(descriptor)
        if not looks:
            with file.open("a") as more:
                more.write("  b: {listen: tcp:2, pro")
        looks += 1
        return found

    monkeypatch.setattr("echod.config.files.os.fstat", fstat)
    with pytest.raises(ConfigError, match="was changed while it was read: write another file, and rename it"):
        load(file, {})
    monkeypatch.undo()
    file.write_text(TEXT)
    assert list(load(file, {}).services) == ["a"]


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    """A reload must not wait for somebody to write to it again."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="is not a regular file"):
        load(pipe, {}, again=True)


def test_an_overlay_is_read_instead(tmp_path: Path) -> None:
    """Files of the console's directory as they will be: changed, new, and gone."""
    main = tmp_path / "echod.yaml"
    main.write_text("console: {listen: tcp:8007:interface=127.0.0.1, directory: made}\n" + TEXT)
    made = tmp_path / "made"
    made.mkdir()
    for number, name in enumerate("bc"):
        (made / f"{name}.yaml").write_text(f"services: {{{name}: {{listen: tcp:1{number}, protocol: echo}}}}")
    new = b"services: {%b: {listen: tcp:2%d, protocol: discard}}"
    overlay = {str(made / "b.yaml"): new % (b"b", 0), str(made / "c.yaml"): None, str(made / "d.yaml"): new % (b"d", 1)}
    assert {name: one.protocol for name, one in load(main, {}).services.items()} == {
        "a": "echo",
        "b": "echo",
        "c": "echo",
    }
    config = load(main, {}, overlay)
    main.write_text("include: [made/*.yaml]\n" + main.read_text())
    assert list(load(main, {}, overlay).services) == list(config.services)
    assert {name: one.protocol for name, one in config.services.items()} == {
        "a": "echo",
        "b": "discard",
        "d": "discard",
    }
    assert config.own_files == {str(made / "b.yaml"), str(made / "d.yaml")}
    assert config.problem("services.d.listen", "!").file == str(made / "d.yaml")


def test_a_console_needs_no_services(tmp_path: Path) -> None:
    """They can be made there, and the last one can be removed."""
    main = tmp_path / "echod.yaml"
    for services in ("", "services: {}\n"):
        main.write_text("console: {listen: tcp:8007:interface=127.0.0.1}\n" + services)
        assert not load(main, {}).services
    main.write_text("metrics: {listen: tcp:8007}\n")
    with pytest.raises(ConfigError, match="there is no service"):
        load(main, {})
