"""Every query of the dashboards and alerts of Prometheus, asked of a Prometheus that reads a running engine."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytestshellutils.utils import ports

from tests.functional.engine.test_metrics import WithKeys, put_one_of_each, samples
from tests.support.docs import ROOT
from tests.support.events import frame, return_data
from tests.support.grafana import Look, Query, queries
from tests.support.lanes import eventually

SECONDS = 60.0
RULES = ROOT / "grafana" / "alerts" / "eventsd.rules.yml"
NOW = datetime.now(timezone.utc)
LOOK = Look(NOW - timedelta(hours=1), NOW, {"minion": "m"}, "1m")
QUERIES = list(queries("prometheus"))
ALERTS = {rule["alert"]: rule["expr"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
#: What has nothing to show where all is well, or nothing has failed.
QUIET = {"What is wrong", "Which minions are silent?", "Scheduled runs that failed", "Which minions fail their states?"}
#: Prometheus itself has it.
ITS_OWN = {"up"}


#: An engine whose bus is missing is degraded, and says so.
LOUD = {"SaltEventsdDegraded"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithKeys]:
    """An engine that has seen something of everything."""
    home = tmp_path_factory.mktemp("engine")
    (home / "pki" / "minions").mkdir(parents=True)
    (home / "pki" / "minions" / "m").write_text("key")
    port = int(ports.get_unused_localhost_port())
    made = WithKeys(home, metrics={"port": port})
    made.service.start()
    eventually(lambda: made.service.reporter.latest and made.service.metrics.port, SECONDS)
    put_one_of_each(made)
    _fail(made, "9")
    eventually(lambda: any(name == "salt_responses_total" for name, _ in samples(port)), SECONDS)
    yield made
    made.service.close()


@pytest.fixture(scope="module")
def port(engine: WithKeys) -> int:
    """Of its metrics."""
    return int(engine.service.metrics.port or 0)


def _fail(engine: WithKeys, jid: str) -> None:
    more = {"fun": "cmd.run", "retcode": 1, "success": False}
    engine.service.inbox.put(frame(f"salt/job/{jid}/ret/m", return_data(jid=jid, minion_id="m", **more)))


@pytest.fixture(scope="module")
def ask(
    engine: WithKeys, port: int, tmp_path_factory: pytest.TempPathFactory, program: Callable[[str, str], str]
) -> Iterator[Any]:
    """Asks a Prometheus that has read the engine a few times."""
    prometheus = program("prometheus", "no query was asked of it")
    home = tmp_path_factory.mktemp("prometheus")
    job = {"job_name": "salt", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    times = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config = {"global": times, "rule_files": [str(RULES)], "scrape_configs": [job]}
    (home / "prometheus.yml").write_text(yaml.safe_dump(config))
    own = ports.get_unused_localhost_port()
    command = [prometheus, f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}"]
    process = subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{own}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def call(expression: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{own}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def has_read() -> bool:
        try:
            return bool(call('count_over_time(up{job="salt"}[1m]) > 4'))
        except OSError:
            return False

    try:
        eventually(has_read, SECONDS)
        # Prometheus counts nothing of a series that it has not seen before.
        _fail(engine, "10")
        eventually(lambda: call('increase(salt_function_responses_total{success="false"}[1m]) > 0'), SECONDS)
        yield call
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("query", [pytest.param(query, id=query.name) for query in QUERIES])
def test_a_panel_has_something_to_show(ask: Any, query: Query) -> None:
    found = ask(LOOK.promql(query.text))

    assert found or query.title in QUIET


@pytest.mark.parametrize("alert", [pytest.param(name, id=name) for name in ALERTS])
def test_an_alert_is_a_query_and_quiet_while_all_is_well(ask: Any, alert: str) -> None:
    found = ask(ALERTS[alert])

    assert bool(found) == (alert in LOUD)


def test_metrics_that_are_asked_for_are_there(port: int) -> None:
    # Given
    there = {name for name, _ in samples(port)} | ITS_OWN
    # Only where there is one.
    there.add("salt_eventsd_problems")

    # When
    asked: set[str] = set()
    for text in [*(query.text for query in QUERIES), *ALERTS.values()]:
        asked |= set(re.findall(r"\b(salt_\w+|process_\w+|up(?=\{))", text))

    # Then
    assert len(asked) > 20
    assert asked - there == set()


_SERIES = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'up{{job="salt",instance="m"}}', values: '1x20 0x20'}}
      - {{series: 'salt_eventsd_degraded{{job="salt",instance="m"}}', values: '1x40'}}
      - {{series: 'salt_eventsd_dropped_total{{job="salt",instance="m",worker="h"}}', values: '0x10 5x30'}}
      - {{series: 'salt_eventsd_worker_up{{job="salt",instance="m",worker="h"}}', values: '0x40'}}
      - {{series: 'salt_function_responses_total{{instance="m",success="true"}}', values: '0+100x9000 900000+1x200'}}
      - {{series: 'salt_function_responses_total{{instance="m",success="false"}}', values: '0+1x9000 9000+9x200'}}
    alert_rule_test:
      - {{eval_time: 30m, alertname: SaltEventsdDown, exp_alerts: [{down}]}}
      - {{eval_time: 10m, alertname: SaltEventsdDown, exp_alerts: []}}
      - {{eval_time: 20m, alertname: SaltEventsLost, exp_alerts: [{lost}]}}
      - {{eval_time: 5m, alertname: SaltEventsLost, exp_alerts: []}}
      - {{eval_time: 6m, alertname: SaltWorkerDown, exp_alerts: [{worker}]}}
      - {{eval_time: 8000m, alertname: SaltFailureRateHigh, exp_alerts: []}}
      - {{eval_time: 9100m, alertname: SaltFailureRateHigh, exp_alerts: [{rate}]}}
"""


def _expected(severity: str, **labels: str) -> str:
    named = {"severity": severity, "instance": "m", **labels}
    return json.dumps({"exp_labels": named})


def test_alerts_fire_when_they_should(tmp_path: Path, program: Callable[[str, str], str]) -> None:
    """By promtool, which plays the time."""
    promtool = program("promtool", "no alert was played")
    # Given: the texts of alerts are another matter
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    for rule in rules["groups"][0]["rules"]:
        rule.pop("annotations")
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    (tmp_path / "test.yml").write_text(
        _SERIES.format(
            rules=tmp_path / "rules.yml",
            down=_expected("critical", job="salt"),
            lost=_expected("critical", job="salt", worker="h"),
            worker=_expected("warning", job="salt", worker="h"),
            rate=_expected("warning"),
        )
    )

    # When
    checked = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    done = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True, check=False
    )

    # Then
    assert checked.returncode == 0, checked.stderr
    assert done.returncode == 0, done.stdout + done.stderr
