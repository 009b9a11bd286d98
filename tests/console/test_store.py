"""The files of the console: whole, in one directory, and nowhere else."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from echod.console.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def names(store: Store) -> list[str]:
    """Return what is in the directory."""
    return sorted(each.name for each in store.folder.iterdir())


def test_a_file_comes_changes_and_goes(tmp_path: Path) -> None:
    """What is staged is beside its place until it is put there."""
    store = Store(tmp_path / "conf.d")
    assert store.read("x") is None
    store.stage("x", b"one")
    assert store.read("x") is None
    store.put("x")
    store.sync()
    assert (store.read("x"), names(store)) == (b"one", ["x.yaml"])
    store.stage("x", b"two")
    assert store.read("x") == b"one"
    store.discard("x")
    assert (store.read("x"), names(store)) == (b"one", ["x.yaml"])
    store.stage("x", b"two")
    store.put("x")
    assert store.read("x") == b"two"
    store.drop("x")
    store.sync()
    assert names(store) == []
    store.discard("x")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/etc/passwd", ".x", "a..b", "x\0", "x\n", "é", "a" * 65])
def test_names_cannot_leave_the_directory(tmp_path: Path, name: str) -> None:
    """Only what is a service's name is a file's."""
    store = Store(tmp_path)
    for use in (store.path, store.key, store.read, store.put, store.drop, lambda name: store.stage(name, b"")):
        with pytest.raises(ValueError, match="is no name for a service"):
            use(name)
    assert names(store) == []


def test_what_a_killed_daemon_left_is_cleared_away(tmp_path: Path) -> None:
    """Of other services too; what is not ours stays."""
    store = Store(tmp_path)
    for left in (".x.yaml.new", ".other.yaml.new", ".hidden", "x.yaml.new", ".yaml.new"):
        (tmp_path / left).write_bytes(b"half")
    store.stage("x", b"whole")
    store.put("x")
    assert names(store) == [".hidden", ".yaml.new", "x.yaml", "x.yaml.new"]
    assert store.read("x") == b"whole"


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Somebody who may write to the directory gets nothing else overwritten."""
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    store = Store(tmp_path / "conf.d")
    store.folder.mkdir()
    (store.folder / "x.yaml").symlink_to(target)
    (store.folder / ".x.yaml.new").symlink_to(target)
    store.stage("x", b"new")
    store.put("x")
    assert target.read_bytes() == b"precious"
    assert not (store.folder / "x.yaml").is_symlink()


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A directory, or a pipe which would wait for ever."""
    store = Store(tmp_path)
    (tmp_path / "d.yaml").mkdir()
    os.mkfifo(tmp_path / "p.yaml")
    (tmp_path / "l.yaml").symlink_to(tmp_path / "nowhere")
    for name, sentence in {"d": "is a directory", "p": "is not a regular file", "l": "cannot be read"}.items():
        with pytest.raises(ValueError, match=sentence):
            store.read(name)


def test_the_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synced first, renamed then, and the directory last: so a power cut leaves the old or the new."""
    done: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        done.append(
            "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else f"file: {os.fstat(descriptor).st_size}"
        )
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    store = Store(tmp_path / "conf.d")
    store.stage("x", b"whole")
    assert done == ["directory", "file: 5"]
    store.put("x")
    store.sync()
    assert done == ["directory", "file: 5", "directory"]


def test_nobody_gets_more_rights_than_the_umask_gives(tmp_path: Path) -> None:
    """As with every file that the daemon makes."""
    before = os.umask(0o027)
    try:
        store = Store(tmp_path / "conf.d")
        store.stage("x", b"")
        store.put("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.path("x").stat().st_mode) == 0o640
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o750
