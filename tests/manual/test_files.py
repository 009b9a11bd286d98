"""The files of the manual: those in the repository are what is made now, and man(1) shows them without complaint."""

import subprocess
from pathlib import Path

import pytest

from echod import __version__
from echod.manual.__main__ import main
from echod.manual.files import made
from tests.system.programs import program

CONFIG = Path(__file__).parents[2] / "config"
PAGES = ("echod.1", "echod.8", "echod.yaml.5")


def run(*command: str) -> str:
    """Run a command that has to be quiet; return what it writes to standard output."""
    environ = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MAN_KEEP_FORMATTING": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environ)

    assert not done.stderr

    return done.stdout


def test_the_repository_has_what_is_made() -> None:
    """Nothing was changed by hand, and nothing was forgotten to be made again or removed."""
    found = {
        str(path.relative_to(CONFIG)): path.read_text(encoding="utf-8")
        for folder in ("man", "completion")
        for path in (CONFIG / folder).iterdir()
    }

    assert found == made(), "make them again: python -m echod.manual config"


def test_the_files_are_written(tmp_path: Path) -> None:
    """Packagers may have them made anywhere."""
    assert main([str(tmp_path / "new")]) == 0

    written = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert written == set(made())


def test_a_directory_or_a_file_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without either there is nothing to do, and that is said."""
    with pytest.raises(SystemExit) as ended:
        main([])

    assert ended.value.code == 2
    assert "name a DIRECTORY" in capsys.readouterr().err


def test_the_tables_of_a_file_are_renewed(tmp_path: Path) -> None:
    """What is around them stays."""
    readme = CONFIG.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    old = tmp_path / "README.md"
    old.write_text(text.replace("| `listen` | needed |", "| `lissen` | never |"), encoding="utf-8")

    assert main(["--readme", str(old)]) == 0

    assert old.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", PAGES)
def test_roff_has_nothing_to_complain_about(name: str) -> None:
    """Every warning that groff knows is on."""
    assert not run(program("groff"), "-man", "-Tutf8", "-Kutf8", "-ww", "-z", str(CONFIG / "man" / name))


@pytest.mark.parametrize("name", PAGES)
def test_man_shows_the_page(name: str) -> None:
    """A page has its name, the version, and the sections that people look for; nothing of roff is left."""
    shown = run(program("man"), "--warnings=w", "--local-file", str(CONFIG / "man" / name))

    for heading in ("NAME", "DESCRIPTION", "EXAMPLES", "SEE ALSO"):
        assert f"\n{heading}\n" in shown
    assert f"echod {__version__}" in shown
    assert "\\f" not in shown
    # Not one word is divided at the end of a line: whoever searches finds it.
    assert "\N{HYPHEN}\n" not in shown


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("echod.1", "echod - check, verify and try TCP and UDP services"),
        ("echod.8", "echod - answer TCP and UDP as one YAML file says"),
        ("echod.yaml.5", "echod.yaml - what echod answers, and where"),
    ],
)
def test_whatis_finds_the_page(name: str, line: str) -> None:
    """whatis(1) and apropos(1) read the section NAME."""
    file = str(CONFIG / "man" / name)

    assert run(program("lexgrog"), file) == f'{file}: "{line}"\n'
