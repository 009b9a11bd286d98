"""The image: built from the Containerfile by a real engine, and run as Kubernetes would run it."""

from __future__ import annotations

import http.client
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from echod import __version__
from tests.system.clients import Sending, connected, exactly, rest
from tests.system.daemon import Address
from tests.system.fleet.base import write_base
from tests.system.fleet.engine import Container, Engine, engine
from tests.system.fleet.tools import CONFIG, judged, tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.fleet

FILE = CONFIG / "container" / "Containerfile"
USER = "65532"
MIB = 1 << 20

CONFINED = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges")
"""What securityContext in config/kubernetes/deployment.yaml says, in podman's words."""

OFFLINE = """\
[global]
disable-pip-version-check = true
no-index = true
find-links = /wheels-given
"""

LISTS = """\
FROM scratch
COPY . /
"""

CONTEXT = {"LICENSE", "README.md", "config", "echod", "pyproject.toml", "setup.cfg", "twisted"}


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Give an engine which has the image to build on."""
    store = tmp_path_factory.mktemp("podman")
    with engine(store) as made:
        write_base(store / "base.tar")
        made.did("import", "--quiet", str(store / "base.tar"), "localhost/base")
        yield made
    shutil.rmtree(store)


@pytest.fixture(scope="module")
def image(podman: Engine, source: Path, wheels: Path) -> str:
    """Build the image, and return its name. What `pip` finds on the way are wheels that lie here."""
    pip = wheels.parent / "pip.conf"
    pip.write_text(OFFLINE, encoding="ascii")
    given = [f"--volume={wheels}:/wheels-given:ro", f"--volume={pip}:/etc/pip.conf:ro"]
    podman.build(source, source / FILE.relative_to(CONFIG.parent), "echod", "--build-arg=BASE=localhost/base", *given)
    return "echod"


@pytest.fixture
def running(podman: Engine, image: str) -> Iterator[Container]:
    """Give a container which has started."""
    with Container(podman, *CONFINED, image) as container:
        container.says("listens on tcp 0.0.0.0:9107")
        yield container


def get(podman: Engine, path: str) -> tuple[int, bytes]:
    """Ask the metrics' port for a page, as the kubelet does: by the address of the pod."""
    with podman.network.inside():
        connection = http.client.HTTPConnection("127.0.0.1", 9107, timeout=10)
        connection.request("GET", path, headers={"Host": "10.244.0.17:9107"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
    return answer.status, body


def test_the_file_is_written_as_such_files_should_be() -> None:
    """Hadolint, which knows what goes wrong with them, has nothing to say."""
    assert judged(tool("hadolint"), str(FILE)) == ""


def test_what_is_sent_to_the_engine(podman: Engine, tmp_path: Path) -> None:
    """The list beside the file keeps everything away from a build but what it needs, caches of a checkout too."""
    context = tmp_path / "context"
    for name in (*CONTEXT, "tests", ".git", "build", ".venv"):
        (context / name).mkdir(parents=True)
        (context / name / "kept").touch()
    for name in ("twisted/plugins/dropin.cache", "echod/__pycache__/x.pyc", "echod/answers/__pycache__/x.pyc"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).touch()
    file = tmp_path / "Containerfile"
    file.write_text(LISTS, encoding="ascii")
    shutil.copy(FILE.with_name("Containerfile.dockerignore"), tmp_path)
    podman.build(context, file, "sent")
    made = podman.did("image", "mount", "sent")
    seen = podman.root / made.lstrip("/")
    sent = {str(path.relative_to(seen)) for path in seen.rglob("*") if not path.is_dir()}
    podman.did("rmi", "--force", "sent")
    assert sent == {f"{name}/kept" for name in CONTEXT}


def test_what_the_image_says(podman: Engine, image: str) -> None:
    """Its user is a number other than 0, its commands need no shell, and it is stopped by SIGTERM."""
    told: dict[str, Any] = podman.inspect(image)["Config"]
    assert told["User"] == f"{USER}:{USER}"
    assert told["Entrypoint"] == ["twistd", "--nodaemon", "--pidfile=", "echod"]
    assert told["Cmd"] == ["--config", "/etc/echod/echod.yaml"]
    assert told["StopSignal"] == "SIGTERM"
    assert set(told["ExposedPorts"]) == {"7007/tcp", "7007/udp", "55555/tcp", "55555/udp", "9107/tcp"}
    assert told["Labels"]["org.opencontainers.image.title"] == "echod"


def test_served_with_nothing_but_its_ports(podman: Engine, running: Container) -> None:
    """Without root, capabilities, or a place to write, every service answers, and nothing wants to be written."""
    status = running.status
    assert status["Uid"].split() == [USER] * 4
    assert status["NSpid"].split()[-1] == "1"
    assert (int(status["CapEff"], 16), int(status["CapBnd"], 16)) == (0, 0)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    for place in ("/new", "/tmp/new", "/opt/echod/new", "/etc/echod/new"):
        assert "Read-only file system" in running.exec("touch", place).stdout
    verified = running.exec("echod", "verify", "/etc/echod/echod.yaml")
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.splitlines()[-1] == "2 services are right"
    assert get(podman, "/readyz")[0] == 200
    assert get(podman, "/healthz")[0] == 200
    assert re.search(
        rf'^echod_build_info{{.*version="{__version__}".*}} 1\.0$', get(podman, "/metrics")[1].decode(), re.MULTILINE
    )
    # Podman's own, made before it starts.
    assert running.written <= {"/etc/mtab", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv"}
    assert "plugin cache" not in running.log


def test_stopped_as_process_1(podman: Engine, running: Container) -> None:
    """`podman stop`, while a client is in the middle of 8 MiB: it gets them all, and the exit status is 0."""
    data = bytes(range(256)) * (8 * MIB // 256)
    with podman.network.inside():
        client = connected(Address("tcp", "127.0.0.1:7007"))
    with client:
        with Sending(client, data):
            start = exactly(client, MIB)
            podman.did("kill", "--signal=TERM", running.name)
            running.says("SIGTERM: stopping")
            assert get(podman, "/readyz")[0] == 503
            assert (start + rest(client) == data) is True
        client.close()
    assert running.ended() == 0
    assert "Traceback" not in running.log


def test_stopped_by_the_engine(running: Container, podman: Engine) -> None:
    """With nothing to do, it stops at once, by the signal that the image names."""
    assert running.stop(20) < 5
    assert podman.inspect(running.name)["State"]["ExitCode"] == 0


def test_a_wrong_file(podman: Engine, image: str, tmp_path: Path) -> None:
    """A file that is mounted and wrong ends the container with status 78, and its log has the place."""
    file = tmp_path / "echod.yaml"
    file.write_text("services: {echo: {listen: tcp:99999, protocol: echo}}", encoding="ascii")
    with Container(podman, *CONFINED, f"--volume={file}:/etc/echod/echod.yaml:ro", image) as container:
        assert container.ended() == 78
        assert "/etc/echod/echod.yaml:1:27: services.echo.listen: " in container.log


def test_the_other_command(podman: Engine, image: str) -> None:
    """The image has the clients too."""
    options = ["--rm", "--cgroups=disabled", "--network=none", "--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"]
    assert podman.did("run", *options, "--entrypoint=echod", image, "--version") == f"echod {__version__}"
