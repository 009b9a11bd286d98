"""What is shipped for Prometheus and Grafana: it fits the metrics that there are, and a real Prometheus takes it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client import generate_latest

from echod.metrics import registry
from tests.observed import Observed
from tests.system.daemon import LIMIT, Daemon, wait_until
from tests.system.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIPPED = Path(__file__).parents[2] / "config" / "prometheus"

METRIC = re.compile(r"\b(?:echod|process|python)_[a-z_]+\b")

CONFIG = """\
metrics: {listen: "tcp:0:interface=127.0.0.1"}
services:
  hi: {listen: "tcp:0:interface=127.0.0.1", protocol: reply, reply: hi}
"""


def promtool(*words: str | Path) -> None:
    """Run promtool, which must find nothing wrong."""
    done = subprocess.run([program("promtool"), *map(str, words)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture
def names(tmp_path: Path) -> set[str]:
    """Give the names of all metrics."""
    echod = Observed.of(tmp_path, '  echo: {listen: "tcp:0", protocol: echo}\n')
    text = generate_latest(registry(echod)).decode()
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}


@pytest.fixture
def dashboard() -> Any:
    """Give the dashboard."""
    return json.loads((SHIPPED / "dashboard.json").read_text("utf-8"))


def panels(dashboard: Any) -> list[Any]:
    """Return the panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard: Any) -> list[str]:
    """Return what all panels ask for."""
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


def test_the_files_are_right() -> None:
    """Prometheus's own tool says so of the scrape configuration and the rules, and each rule does as it was tested."""
    promtool("check", "config", SHIPPED / "scrape.yaml")
    promtool("check", "rules", SHIPPED / "alerts.yaml")
    promtool("test", "rules", SHIPPED / "alerts.test.yaml")


def test_each_alert_is_tested() -> None:
    """Each fires in a test, and does not where nothing is wrong."""
    (group,) = yaml.safe_load((SHIPPED / "alerts.yaml").read_text())["groups"]
    quiet, *tests = yaml.safe_load((SHIPPED / "alerts.test.yaml").read_text())["tests"]
    alerts = {rule["alert"] for rule in group["rules"]}
    assert {each["alertname"] for each in quiet["alert_rule_test"]} == alerts
    assert not any("exp_alerts" in each for each in quiet["alert_rule_test"])
    fired = {each["alertname"] for test in tests for each in test["alert_rule_test"] if each.get("exp_alerts")}
    assert fired == alerts


def test_alerts_ask_for_metrics_that_there_are(names: set[str]) -> None:
    """And only for them."""
    (group,) = yaml.safe_load((SHIPPED / "alerts.yaml").read_text())["groups"]
    asked = {name for rule in group["rules"] for name in METRIC.findall(rule["expr"])}
    assert "echod_reloads_total" in asked
    assert asked <= names


def test_the_dashboard_shows_each_metric(dashboard: Any, names: set[str]) -> None:
    """Every one of echod's has a panel, and none is asked for that there is not."""
    asked = {name for expression in expressions(dashboard) for name in METRIC.findall(expression)}
    assert asked <= names
    assert {name for name in names if name.startswith("echod_")} <= asked


def test_the_dashboard_s_expressions_are_right(dashboard: Any, tmp_path: Path) -> None:
    """As far as Prometheus can tell once Grafana has put in its variables."""
    rules: list[dict[str, Any]] = []
    for expression in [*expressions(dashboard), *(each["expr"] for each in dashboard["annotations"]["list"])]:
        plain = expression.replace("$__rate_interval", "1m").replace("$__range", "1h")
        for variable in dashboard["templating"]["list"]:
            plain = plain.replace(f"${variable['name']}", ".*")
        assert "$" not in plain
        rules.append({"record": "x", "labels": {"number": str(len(rules))}, "expr": plain})
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": rules}]}))
    promtool("check", "rules", tmp_path / "rules.yaml")


def test_the_dashboard_can_be_imported(dashboard: Any) -> None:
    """Its structure is Grafana's: a new dashboard, panels side by side on 24 columns, and a source to be chosen."""
    assert dashboard["id"] is None
    assert dashboard["title"] == "echod"
    assert dashboard["schemaVersion"] >= 36
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + column, place["y"] + line) for column in range(place["w"]) for line in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"]
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters)) > 0


class Prometheus:
    """A real one, which is asked over its interface."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def _ask(self, path: str) -> Any:
        try:
            with urlopen(self._url + path, timeout=LIMIT) as answer:
                return json.load(answer)["data"]
        except OSError:
            # It has not started yet.
            return {}

    def value(self, expression: str) -> float | None:
        """Return the value of an expression that has one."""
        found = self._ask(f"/api/v1/query?query={quote(expression)}").get("result")
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        alerts = self._ask("/api/v1/alerts").get("alerts", ())
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """Run a Prometheus with what is shipped, but impatient: every minute of its rules is a second."""
    config = yaml.safe_load((SHIPPED / "scrape.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    impatient = (SHIPPED / "alerts.yaml").read_text().replace("for: 1m\n", "for: 1s\n")
    (folder / "alerts.yaml").write_text(impatient)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    words = [
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.console.libraries=",
        "--web.console.templates=",
        "--log.level=warn",
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([program("prometheus"), *words], stdout=log, stderr=subprocess.STDOUT)
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(LIMIT)
        print((folder / "prometheus.log").read_text())


def test_a_real_prometheus(tmp_path: Path) -> None:
    """It asks a real echod, and tells when a reload fails, and when nobody answers any more."""
    with Daemon(tmp_path, CONFIG) as daemon, prometheus(tmp_path, daemon.at("metrics").text) as asker:
        wait_until(lambda: asker.value('up{job="echod"}') == 1, "it is up")
        assert asker.value('echod_connections_open{service="hi"}') == 0
        assert asker.value('echod_reloads_total{result="failure"}') == 0
        assert asker.value("echod_build_info") == 1
        assert asker.firing() == set()
        daemon.file.write_text("services: {}")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: asker.firing() == {"EchodReloadFailed"}, "it tells of the reload that failed")
        daemon.stop()
        wait_until(lambda: asker.firing() == {"EchodReloadFailed", "EchodDown"}, "it tells of the end")
