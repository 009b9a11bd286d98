"""
What must hold among the Kubernetes manifests, and between them, the file that is served, and the image.

Validators know the fields of a manifest, but neither that a probe's port is none of the container's nor that a policy
is for no pod at all. They do not even know the few words that a field may have.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from echod import __version__
from echod.config import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Document = dict[str, Any]
Port = tuple[int, str]
"""A port and its protocol, `TCP` or `UDP`."""

KINDS = ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "Service"]

WORDS = {
    "protocol": {"TCP", "UDP"},
    "policyTypes": {"Ingress", "Egress"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
    "unhealthyPodEvictionPolicy": {"IfHealthyBudget", "AlwaysAllow"},
}
"""The fields that have one of few words."""

POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


class Fleet:
    """
    The manifests, as they are given to Kubernetes.

    :param documents: all of them.
    :param folder: the file of the ConfigMap is written here, to be read as the daemon reads it.
    """

    def __init__(self, documents: Sequence[Document], folder: Path) -> None:
        self.documents = documents
        self._by_kind: dict[str, list[Document]] = {}
        for document in documents:
            self._by_kind.setdefault(document["kind"], []).append(document)
        self.pod: Document = self._one("Deployment")["spec"]["template"]
        (self.container,) = self.pod["spec"]["containers"]
        file = folder / "echod.yaml"
        file.write_text(self._one("ConfigMap")["data"]["echod.yaml"], encoding="utf-8")
        self.config = load(file, {})

    def faults(self) -> Iterator[str]:
        """Find what does not hold; a sentence for each."""
        yield from _differ("the kinds", sorted(each["kind"] for each in self.documents), KINDS)
        for document in self.documents:
            yield from _wrong_words(document)
        yield from self._ports()
        yield from self._selectors()
        yield from self._probes()
        yield from self._security()
        yield from self._end()
        yield from self._file()
        _, _, tag = self.container["image"].partition(":")
        yield from _differ("the image's tag", tag, __version__)

    @property
    def served(self) -> set[Port]:
        """The ports that the file has, of its services."""
        services = self.config.services.values()
        return {(each.port or 0, "UDP" if each.datagram else "TCP") for service in services for each in service.listen}

    @property
    def metrics(self) -> Port:
        """The port that the file has for its metrics."""
        assert self.config.top.metrics is not None, "the file has no metrics"
        return self.config.top.metrics.listen.port or 0, "TCP"

    def _ports(self) -> Iterator[str]:
        """A port that is served is the container's, a Service's, and permitted; that of the metrics is not for all."""
        named = {each["name"]: (each["containerPort"], each["protocol"]) for each in self.container["ports"]}
        yield from _differ("the container's ports", set(named.values()), self.served | {self.metrics})
        if any(port < 1024 for port, _ in named.values()):
            yield "a port needs privileges"
        offered = []
        for service in self._by_kind["Service"]:
            protocols = {each["protocol"] for each in service["spec"]["ports"]}
            yield from _differ(f"how many protocols {service['metadata']['name']} has", len(protocols), 1)
            for each in service["spec"]["ports"]:
                offered.append((each["port"], each["protocol"]))
                if named.get(each["targetPort"]) != (each["port"], each["protocol"]):
                    yield f"the container has no port for {each}"
        yield from _differ("the ports of the Services", set(offered), self.served)
        yield from _differ("how often a port is offered", len(offered), len(set(offered)))
        rules = self._one("NetworkPolicy")["spec"]["ingress"]
        for_all = {(port["port"], port["protocol"]) for rule in rules if "from" not in rule for port in rule["ports"]}
        for_some = {(port["port"], port["protocol"]) for rule in rules if "from" in rule for port in rule["ports"]}
        yield from _differ("what all may reach", for_all, self.served)
        yield from _differ("what some may reach", for_some, {self.metrics})
        annotations = self.pod["metadata"]["annotations"]
        yield from _differ("what Prometheus asks", annotations.get("prometheus.io/port"), str(self.metrics[0]))

    def _selectors(self) -> Iterator[str]:
        """What is for some pods is for ours. What selects nothing in particular would be for the whole namespace."""
        labels = self.pod["metadata"]["labels"]
        found = {
            "Deployment": [self._one("Deployment")["spec"]["selector"]["matchLabels"]],
            "Service": [service["spec"]["selector"] for service in self._by_kind["Service"]],
            "PodDisruptionBudget": [self._one("PodDisruptionBudget")["spec"]["selector"].get("matchLabels")],
            "NetworkPolicy": [self._one("NetworkPolicy")["spec"]["podSelector"].get("matchLabels")],
            "topologySpreadConstraints": [
                each["labelSelector"].get("matchLabels") for each in self.pod["spec"]["topologySpreadConstraints"]
            ],
        }
        for place, selectors in found.items():
            for selector in selectors:
                if not selector or not selector.items() <= labels.items():
                    yield f"{place} selects {selector}, and the pods have {labels}"

    def _probes(self) -> Iterator[str]:
        """Each asks the port of the metrics for the page that says what it wants to know."""
        names = {each["name"]: (each["containerPort"], each["protocol"]) for each in self.container["ports"]}
        wanted = {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
        for name, page in wanted.items():
            asked = self.container[name]["httpGet"]
            yield from _differ(f"the page of {name}", asked["path"], page)
            yield from _differ(f"the port of {name}", names.get(asked["port"]), self.metrics)

    def _security(self) -> Iterator[str]:
        yield from _differ("the pod's securityContext", self.pod["spec"]["securityContext"], POD_SECURITY)
        yield from _differ("the container's securityContext", self.container["securityContext"], CONTAINER_SECURITY)
        yield from _differ("the account's token", self.pod["spec"]["automountServiceAccountToken"], False)
        memory = self.container["resources"]["limits"].get("memory", "")
        if not re.fullmatch(r"\d+Mi", memory):
            yield f"the memory is limited to {memory!r}"

    def _end(self) -> Iterator[str]:
        """Kubernetes kills a pod only after it had its pause and its grace."""
        pause = self.container["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace = max(service.limits.grace for service in self.config.services.values())
        if self.pod["spec"]["terminationGracePeriodSeconds"] <= pause + grace:
            yield f"the pod is killed within its pause of {pause} s and its grace of {grace:g} s"

    def _file(self) -> Iterator[str]:
        """The ConfigMap is where the image looks for its file."""
        (mount,) = self.container["volumeMounts"]
        (volume,) = self.pod["spec"]["volumes"]
        yield from _differ("the name of the volume", mount["name"], volume["name"])
        yield from _differ("where it is seen", mount["mountPath"], "/etc/echod")
        name = self._one("ConfigMap")["metadata"]["name"]
        yield from _differ("the ConfigMap of the volume", volume["configMap"]["name"], name)
        if not re.fullmatch("echod-[a-z0-9]{10}", name):
            yield f"the ConfigMap's name, {name}, does not change with its file"

    def _one(self, kind: str) -> Document:
        (document,) = self._by_kind[kind]
        return document


def _differ(what: str, found: object, wanted: object) -> Iterator[str]:
    if found != wanted:
        yield f"{what}: {found}, not {wanted}"


def _wrong_words(value: object) -> Iterator[str]:
    """Look into all of a document for fields with a word that they may not have."""
    if isinstance(value, list):
        for each in value:
            yield from _wrong_words(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key in WORDS:
                words = set(each) if isinstance(each, list) else {each}
                yield from (f"{key}: {word} is none of {sorted(WORDS[key])}" for word in words - WORDS[key])
            else:
                yield from _wrong_words(each)
