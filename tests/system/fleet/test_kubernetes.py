"""The manifests: put together by kubectl itself, known to Kubernetes's schemas, and right in themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.system.fleet.manifests import Fleet
from tests.system.fleet.tools import CONFIG, judged, tool

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fleet

MONITORING = """\
  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: monitoring
    ports:
    - port: 9107"""

MISTAKES = {
    "a protocol that there is none of": ("protocol: UDP\n", "protocol: UDPX\n"),
    "a word that there is none of": ("whenUnsatisfiable: ScheduleAnyway", "whenUnsatisfiable: Sometimes"),
    "a port that nobody serves": ("containerPort: 7007", "containerPort: 7008"),
    "a service that no pod has a port for": ("listen: [tcp:7007, udp:7007]", "listen: [tcp:7007, udp:7009]"),
    "a port that needs privileges": ("7007", "7"),
    "a Service without its pods": ("  selector:\n    app.kubernetes.io/name: echod", "  selector: {}"),
    "a policy for all pods": (
        "  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: echod",
        "  podSelector: {}",
    ),
    "metrics for everybody": (MONITORING, "  - ports:\n    - port: 9107"),
    "a probe of another port": ("path: /readyz\n            port: metrics", "path: /readyz\n            port: echo"),
    "a probe of another page": ("path: /healthz", "path: /health"),
    "root": ("runAsNonRoot: true", "runAsNonRoot: false"),
    "a capability": ("            drop:\n", "            add:\n            - NET_RAW\n            drop:\n"),
    "no time to end": ("terminationGracePeriodSeconds: 20", "terminationGracePeriodSeconds: 15"),
    "a grace that is longer": ("limits: {connections: 1000}", "limits: {grace: 1m}"),
    "another image": ("image: echod:", "image: echod:9"),
    "a file that is nowhere": ("mountPath: /etc/echod", "mountPath: /etc"),
}
"""Changes that validators do not notice, all or some of them: what is replaced, and by what."""


@pytest.fixture(scope="module")
def rendered() -> str:
    """Give the manifests as `kubectl apply -k` sends them."""
    return judged(tool("kubectl"), "kustomize", str(CONFIG / "kubernetes"))


def faults(text: str, folder: Path) -> list[str]:
    """Return what does not hold."""
    return list(Fleet(list(yaml.safe_load_all(text)), folder).faults())


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_the_schemas_know_all_fields(rendered: str, version: str, tmp_path: Path) -> None:
    """The oldest version that is named, and the newest whose schemas are here, know every kind and every field."""
    file = tmp_path / "manifests.yaml"
    file.write_text(rendered, encoding="utf-8")
    said = judged(tool("kubernetes-validate"), "--strict", "--kubernetes-version", version, str(file))
    lines = said.splitlines()
    assert len(lines) == 6
    # For a kind that it does not know it only warns.
    passed = [line for line in lines if " passed for resource " in line and line.endswith(f" version {version}")]
    assert passed == lines


def test_all_fits_together(rendered: str, tmp_path: Path) -> None:
    """Ports, selectors, probes, the file and the image say the same."""
    assert faults(rendered, tmp_path) == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed(rendered: str, mistake: str, tmp_path: Path) -> None:
    """What is proven above would not hold with any of these."""
    wrong = rendered.replace(*MISTAKES[mistake])
    assert wrong != rendered
    assert faults(wrong, tmp_path) != []


def test_a_changed_file_is_a_new_roll_out(rendered: str, tmp_path: Path) -> None:
    """The ConfigMap of another file has another name, so that the pods are replaced."""
    for file in (CONFIG / "kubernetes").iterdir():
        text = file.read_text(encoding="utf-8")
        (tmp_path / file.name).write_text(text + ("# changed\n" if file.name == "echod.yaml" else ""), encoding="utf-8")
    other = judged(tool("kubectl"), "kustomize", str(tmp_path))
    names = [
        {each["metadata"]["name"] for each in yaml.safe_load_all(text) if each["kind"] == "ConfigMap"}
        for text in (rendered, other)
    ]
    assert not names[0] & names[1]
