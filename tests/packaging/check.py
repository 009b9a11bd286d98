"""
Install echod in every way that people do, use it, and uninstall it; run by `make packaging`.

All of it happens in a temporary folder, from a copy of the source tree, with the commands run from `/`: nothing is
found because it happens to lie near. The dependencies are installed once; each way begins with a copy of that
environment, at the same path, so that Twisted is really in it: twistd finds its plugins in the folders that Twisted
and echod are installed in.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile
from contextlib import closing, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "dropin.cache")
SENTENCE = "echod TCP and UDP echo and reply services from one YAML file"
MANUAL = {
    "bash-completion/completions/echod.bash",
    "fish/vendor_completions.d/echod.fish",
    "man/man1/echod.1",
    "man/man5/echod.yaml.5",
    "man/man8/echod.8",
    "zsh/site-functions/_echod",
}
TUTORIAL = ("127.0.0.1", 55555)
# Root may write everywhere, whatever the mode of a file, until it gives up that capability.
OBEDIENT = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []


def expect(what: str, fulfilled: object, seen: object = "") -> None:
    """Say that something is as it should be, or end with what is there instead."""
    if not fulfilled:
        sys.exit(f"  FAILED: {what}\n{seen}")
    print(f"  {what}", flush=True)


def run(*command: str | Path, status: int = 0) -> str:
    """Run a command from `/`; return what it writes."""
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != status:
        sys.exit(f"  FAILED: {' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def exchange(kind: socket.SocketKind) -> bytes:
    """Say hello as the tutorial does; return the whole answer."""
    with socket.socket(socket.AF_INET, kind) as client:
        client.settimeout(5)
        client.connect(TUTORIAL)
        client.sendall(b"hello")
        return client.recv(64)


def port_is_free() -> bool:
    """Tell whether the tutorial's address can be had, over TCP and UDP."""
    with closing(socket.socket()) as tcp, closing(socket.socket(type=socket.SOCK_DGRAM)) as udp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind(TUTORIAL)
            udp.bind(TUTORIAL)
        except OSError:
            return False
        return True


def check_serving(scripts: Path, *before: str) -> None:
    """Start the daemon with its embedded default, talk to it, and stop it."""
    patience = time.monotonic() + 30
    while not port_is_free():
        if time.monotonic() > patience:
            sys.exit(f"  FAILED: something else uses port {TUTORIAL[1]}; is `make run` running?")
        time.sleep(0.5)
    with tempfile.TemporaryFile("w+") as log:
        command = [*before, str(scripts / "twistd"), "-n", "--pidfile=", "echod"]
        daemon = subprocess.Popen(command, cwd="/", stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 20
            answers: list[bytes] = []
            while not answers and daemon.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
                with suppress(ConnectionRefusedError):
                    answers = [exchange(socket.SOCK_STREAM), exchange(socket.SOCK_DGRAM)]
            daemon.terminate()
            status = daemon.wait(20)
        finally:
            daemon.kill()
        log.seek(0)
        expect("serves: hello -> hi over TCP and UDP", answers == [b"hi", b"hi"], f"{answers}\n{log.read()}")
        log.seek(0)
        expect("SIGTERM ends it with status 0", status == 0, f"status {status}\n{log.read()}")


def check_commands(scripts: Path, version: str, *before: str) -> None:
    """Look for both commands."""
    listed = run(*before, scripts / "twistd", "--help")
    expect("twistd lists echod", SENTENCE in " ".join(listed.split()) and "Traceback" not in listed, listed)
    expect("twistd echod --help", "--config" in run(*before, scripts / "twistd", "-n", "echod", "--help"))
    said = run(*before, scripts / "echod", "--version")
    expect(f"echod --version says {version}", said.split() == ["echod", version], said)


def check_manual(environment: Path, version: str) -> None:
    """Read the manual where pip puts it; man finds it by the command's place in PATH."""
    share = environment / "share"
    found = {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()}
    expect("man pages and completions are beside bin/", found >= MANUAL, sorted(MANUAL ^ found))
    search = f"PATH={environment / 'bin'}:{os.environ['PATH']}"
    for section, name in (("1", "echod"), ("5", "echod.yaml"), ("8", "echod")):
        shown = run("env", "-u", "MANPATH", search, "man", section, name)
        expect(f"man {section} {name} shows it", f"echod {version}" in shown, shown)


def check_read_only(environment: Path, version: str) -> None:
    """Use an installation that the daemon may not write to, and without the cache that twistd keeps in it."""
    library = environment / "lib"
    for cache in library.rglob("dropin.cache"):
        cache.unlink()
    run("chmod", "-R", "a-w", library)
    run(*OBEDIENT, environment / "bin/python", "-c", f"open({str(library / 'new')!r}, 'w')", status=1)
    check_commands(environment / "bin", version, *OBEDIENT)
    check_serving(environment / "bin", *OBEDIENT)
    expect("and nothing was written", not list(library.rglob("dropin.cache")))
    run("chmod", "-R", "u+w", library)


def check_uninstall(environment: Path) -> None:
    """Uninstall echod; Twisted stays whole."""
    run(environment / "bin/python", "-m", "pip", "uninstall", "--quiet", "--yes", "echod")
    left = [path for path in environment.rglob("*") if "echod" in path.name]
    expect("uninstalled, nothing is left", not left, left)
    listed = run(environment / "bin/twistd", "--help")
    expect("and twistd is whole", "web" in listed and "echod" not in listed and "Traceback" not in listed, listed)


def check_archives(tree: Path, wheel: Path, source: Path) -> None:
    """Look into what is built: the wheel has all of the package and nothing else."""
    with zipfile.ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if ".dist-info/" not in name}
    package = {str(path.relative_to(tree)) for path in tree.glob("echod/**/*") if path.is_file()}
    # In a wheel, what goes beside bin/ is under echod-VERSION.data/data.
    beside = {name.partition("/data/share/")[2] for name in packed if ".data/data/share/" in name}
    expect("the wheel has the manual", beside >= MANUAL, sorted(MANUAL ^ beside))
    packed = {name for name in packed if ".data/data/share/" not in name}
    wanted = package | {"twisted/plugins/echod_plugin.py"}
    expect("and echod/, the plugin, and nothing else", packed == wanted, sorted(packed ^ wanted))
    with tarfile.open(source) as opened_source:
        packed = {name.partition("/")[2] for name in opened_source.getnames()}
    wanted |= {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "config/echod.yaml", "tests/conftest.py"}
    expect("the source archive has the sample and the tests too", wanted <= packed, sorted(wanted - packed))


def main() -> None:
    """Check the archives, then each way to install."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="echod-packaging-") as temporary:
        work = Path(temporary)
        tree, wheels, environment = work / "echod", work / "wheels", work / "environment"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        print("Gathering the dependencies and building", flush=True)
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", wheels, tree, "setuptools>=64")
        for own in wheels.glob("echod-*"):
            own.unlink()
        shutil.rmtree(tree / "build")
        os.environ.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels), PIP_DISABLE_PIP_VERSION_CHECK="1")
        run(sys.executable, "-m", "build", "--outdir", work / "dist", tree)
        (wheel,), (source,) = work.glob("dist/*.whl"), work.glob("dist/*.tar.gz")
        version = wheel.name.split("-")[1]
        check_archives(tree, wheel, source)
        venv.create(environment, with_pip=True)
        run(environment / "bin/python", "-m", "pip", "install", "--quiet", *wheels.iterdir())
        environment.rename(work / "without-echod")
        ways: dict[str, list[str | Path]] = {
            "wheel": [wheel],
            "sdist": [source],
            ".": [tree],
            "-e .": ["-e", tree],
        }
        for name, what in ways.items():
            print(f"pip install {name}", flush=True)
            shutil.copytree(work / "without-echod", environment, symlinks=True)
            run(environment / "bin/python", "-m", "pip", "install", "--quiet", *what)
            check_commands(environment / "bin", version)
            check_serving(environment / "bin")
            if name != "-e .":
                check_manual(environment, version)
            if name == "wheel":
                print("the same, on a read-only file system", flush=True)
                check_read_only(environment, version)
            check_uninstall(environment)
            shutil.rmtree(environment)
    print(f"All ways to install work ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main()
