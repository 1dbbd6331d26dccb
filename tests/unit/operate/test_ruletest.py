"""Tests of rules: what they find right, and what they say of what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import salt.utils.yaml

from salt_eventsd.config.load import load
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.ruletest import main, read, run

CONFIG: dict[str, Any] = {
    "workers": {"history": {"url": "sqlite:////h.db"}, "other": {"module": "noop"}},
    "events": {
        "returns": {
            "tag": "salt/job/[^/]+/ret/",
            "worker": "history",
            "into": "returns",
            "subs": {
                "raid": {
                    "fun": "wputil",
                    "table": "raid_state",
                    "columns": {
                        "srv": "minion_id",
                        "state": "data.return",
                        "whole": "data | json",
                        "at": "now",
                        "n": 5,
                    },
                },
                "strict": {
                    "fun": "strict",
                    "statement": "INSERT INTO t VALUES (:x)",
                    "fields": {"x": "data.x"},
                    "missing": "refuse",
                },
            },
        },
        "alarms": {"tag": "company/", "worker": ["history", "other"], "prio": 1},
    },
}
PING = {"tag": "salt/job/1/ret/m", "data": {"id": "m", "fun": "test.ping", "return": True, "retcode": 0}}
RAID = {"tag": "salt/job/1/ret/m", "data": {"id": "m", "fun": "wputil.check", "return": "bad", "password": "p"}}


def failures(*tests: dict[str, Any], tmp_path: Path) -> dict[str, list[str]]:
    path = tmp_path / "tests.yaml"
    path.write_text(salt.utils.yaml.safe_dump(list(tests)), encoding="utf-8")
    answer = run(load({"eventsd": CONFIG}), read(path))
    assert answer["retcode"] == (1 if answer["failed"] else 0)
    assert answer["passed"] + len(answer["failed"]) == len(tests)
    found: dict[str, list[str]] = answer["failed"]
    return found


@pytest.mark.parametrize(
    "test",
    [
        pytest.param({"event": PING, "expect": ["history"]}, id="a worker"),
        pytest.param({"event": {"tag": "x"}, "expect": []}, id="nobody"),
        pytest.param(
            {
                "event": PING,
                "expect": [{"worker": "history", "into": "returns", "values": {"retcode": 0, "return": True}}],
            },
            id="built-in columns",
        ),
        pytest.param(
            {
                "event": RAID,
                "expect": [
                    "history",
                    {
                        "worker": "history",
                        "rule": "returns.subs.raid",
                        "table": "raid_state",
                        "values": {"srv": "m", "state": "bad", "n": 5, "at": "2026-01-02 03:04:05.000000"},
                    },
                ],
            },
            id="own columns",
        ),
        pytest.param(
            {
                "event": RAID,
                "expect": [
                    "history",
                    {
                        "worker": "history",
                        "table": "raid_state",
                        "values": {"whole": {**RAID["data"], "password": "***"}},
                    },
                ],
            },
            id="redacted",
        ),
        pytest.param(
            {"event": {"tag": "company/x"}, "expect": ["other", {"worker": "history", "prio": True, "into": "events"}]},
            id="several workers, in any order",
        ),
        pytest.param({"event": {"tag": "company/x"}, "expect_at_least": ["other"]}, id="others besides"),
    ],
)
def test_what_is_as_expected_passes(test: dict[str, Any], tmp_path: Path) -> None:
    assert failures(test, tmp_path=tmp_path) == {}


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        pytest.param(
            {"event": PING, "expect_at_least": ["other"]}, "expected for worker other; it is for history", id="at least"
        ),
        pytest.param({"event": PING, "expect": []}, "not expected: worker history, by rule returns", id="too much"),
        pytest.param(
            {"event": {"tag": "x"}, "expect": ["history"]}, "expected for worker history; it is for nobody", id="none"
        ),
        pytest.param(
            {"event": PING, "expect": ["other"]}, "expected for worker other; it is for history", id="another"
        ),
        pytest.param(
            {"event": PING, "expect": [{"worker": "history", "into": "events"}]},
            "worker history: into: expected 'events', found 'returns'",
            id="another table",
        ),
        pytest.param(
            {"event": PING, "expect": [{"worker": "history", "values": {"retcode": 1}}]},
            "rule returns: values.retcode: expected 1, found 0",
            id="another value",
        ),
        pytest.param(
            {"event": PING, "expect": [{"worker": "history", "values": {"duration_ms": 0}}]},
            "rule returns: values.duration_ms: expected 0, found None",
            id="null is not 0",
        ),
        pytest.param(
            {"event": PING, "expect": [{"worker": "history", "values": {"nix": 1}}]},
            "rule returns: values.nix: expected 1, there is no such column",
            id="no such column",
        ),
        pytest.param(
            {
                "event": {"tag": "salt/job/1/ret/m", "data": {"fun": "strict.x"}},
                "expect": ["history", {"worker": "history", "rule": "returns.subs.strict", "values": {"x": 1}}],
            },
            "the event is refused: the event has no data.x",
            id="refused",
        ),
    ],
)
def test_what_is_not_fails_and_says_why(test: dict[str, Any], problem: str, tmp_path: Path) -> None:
    found = failures({**test, "name": "it"}, {"event": {"tag": "x"}, "expect": []}, tmp_path=tmp_path)

    assert any(problem in line for line in found["it"]), found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "Expected `array`, got `null`", id="empty"),
        pytest.param("[]", "there are no tests", id="none"),
        pytest.param("- {event: {tag: x}}", "expected one of expect and expect_at_least", id="no expectation"),
        pytest.param(
            "- {event: {tag: x}, expect: [], expect_at_least: []}", "expected one of expect and", id="both expectations"
        ),
        pytest.param("- {event: {tag: x}, expect: [], exepct: []}", "unknown field `exepct`", id="typing error"),
        pytest.param("- {event: [", "could not find expected|while parsing|expected", id="no YAML"),
    ],
)
def test_tests_that_are_none_are_told(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "tests.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(EventsdError, match=problem):
        read(path)


def test_a_path_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    with pytest.raises(EventsdError, match="cannot be read: File name too long"):
        read(tmp_path / ("x" * 300))


def test_all_files_of_a_folder_are_read(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml", "c.txt"):
        (tmp_path / name).write_text("- {event: {tag: x}, expect: []}\n", encoding="utf-8")

    assert len(read(tmp_path)) == 2


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Given
    config, tests = tmp_path / "eventsd.conf", tmp_path / "tests.yaml"
    config.write_text(salt.utils.yaml.safe_dump({"engines": ["eventsd"], "eventsd": CONFIG}), encoding="utf-8")
    tests.write_text("- {event: {tag: x}, expect: []}\n", encoding="utf-8")

    # When / Then
    assert main(["--config", str(config), str(tests)]) == 0
    assert capsys.readouterr().out == "1 passed, 0 failed\n"

    # When / Then
    tests.write_text("- {name: n, event: {tag: x}, expect: [history]}\n", encoding="utf-8")
    assert main(["--config", str(config), str(tests)]) == 1
    assert "FAILED n: expected for worker history" in capsys.readouterr().out

    # When / Then
    config.write_text("eventsd: {evnts: {}}", encoding="utf-8")
    assert main(["--config", str(config), str(tests)]) == 2
    assert "eventsd: evnts: unknown key" in capsys.readouterr().err
