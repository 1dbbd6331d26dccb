"""
Rule tests: events, and the workers and values expected for each, as YAML beside the configuration. They need no master,
no bus and no database.

.. code-block:: yaml

    - name: a failed disk goes to its own table
      event:
        tag: salt/job/20260102030405678901/ret/web1
        data: {id: web1, jid: '20260102030405678901', fun: wputil.check_raid, return: degraded}
      expect:
        - {worker: history, into: returns}
        - {worker: history, rule: returns.subs.raid, table: raid_state, values: {servername: web1}}
    - name: pings are nobody's
      event: {tag: salt/job/1/ret/web1, data: {fun: test.ping}}
      expect: []

Where there is no master, ``python -m salt_eventsd.ruletest --config /etc/salt/master.d/eventsd.conf tests.yaml`` runs
them; its exit code is 0 if all hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import salt.utils.yaml

from salt_eventsd.config.language.destination import destination_of
from salt_eventsd.config.language.fields import Facts
from salt_eventsd.config.load import load
from salt_eventsd.config.structs import Config, EventRule
from salt_eventsd.database.dialects import SQLite
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.event.chunk import OWN
from salt_eventsd.event.frame import pack_frame
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import ConfigError, EventsdError, Refused
from salt_eventsd.intake.pipeline import Pipeline, pipeline_of
from salt_eventsd.rules.compile import named

#: When the events of tests are read, unless they say so. It is the same each time, so that a test can expect a ``now``.
_RECEIVED = 1_767_323_045.0


class _Expected(msgspec.Struct, forbid_unknown_fields=True):
    """One destination; a key that is not given may have any value."""

    worker: str
    rule: str | None = None
    into: str | None = None
    table: str | None = None
    prio: bool | None = None
    values: dict[str, Any] = {}


class _Fired(msgspec.Struct, forbid_unknown_fields=True):
    tag: str
    data: Any = {}
    received: float = _RECEIVED


class _Test(msgspec.Struct, forbid_unknown_fields=True):
    event: _Fired
    expect: list[str | _Expected] | None = None
    expect_at_least: list[str | _Expected] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if (self.expect is None) == (self.expect_at_least is None):
            raise ValueError("expected one of expect and expect_at_least")


def default_path(opts: Mapping[str, Any]) -> Path:
    """
    Return where the tests are by default: a folder ``eventsd_tests`` or a file ``eventsd_tests.yaml`` beside the
    configuration.

    :param opts: Salt's options.
    """
    folder = Path(str(opts.get("conf_file") or "/etc/salt/master")).parent / "eventsd_tests"
    return folder if folder.is_dir() else folder.with_suffix(".yaml")


def read(path: Path) -> list[_Test]:
    """
    Read the tests of a file, or of all ``*.yaml`` and ``*.yml`` of a folder.

    :param path: the file or folder.
    :raises EventsdError: there are none, or something is wrong with them.
    """
    try:
        if not path.exists():
            raise EventsdError(f"eventsd: test: there is no {path}; docs/testing_rules.rst says what may be in it")
        files = sorted(one for one in path.glob("*") if one.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
    except OSError as exc:
        raise EventsdError(f"eventsd: test: {path} cannot be read: {exc.strerror or exc}") from None
    found: list[_Test] = []
    for one in files:
        try:
            raw = salt.utils.yaml.safe_load(one.read_text(encoding="utf-8"))
            found += msgspec.convert(raw["tests"] if isinstance(raw, dict) and "tests" in raw else raw, list[_Test])
        except (OSError, UnicodeDecodeError) as exc:
            raise EventsdError(f"eventsd: test: {one} cannot be read: {exc}") from None
        except (salt.utils.yaml.YAMLError, msgspec.ValidationError) as exc:
            raise EventsdError(f"eventsd: test: {one}: {' '.join(str(exc).split())}") from None
    if not found:
        raise EventsdError(f"eventsd: test: there are no tests in {path}")
    return found


def run(config: Config, tests: list[_Test], node_id: str = "master") -> dict[str, Any]:
    """
    Run tests against a configuration.

    :param config: a right one.
    :param tests: from :func:`read`.
    :param node_id: the value of the field ``master_id``.
    :returns: ``passed``, ``failed`` (what each failing test found), and ``retcode`` 0 or 1.
    """
    pipeline = pipeline_of(config)
    failed = {}
    for number, test in enumerate(tests, 1):
        problems = list(_problems(config, pipeline, test, node_id))
        if problems:
            failed[test.name or f"test {number}"] = problems
    return {"passed": len(tests) - len(failed), "failed": failed, "retcode": 1 if failed else 0}


def _problems(config: Config, pipeline: Pipeline, test: _Test, node_id: str) -> Iterator[str]:
    found = _destinations(config, pipeline, test.event, node_id)
    for expected in test.expect or test.expect_at_least or ():
        wanted = _Expected(expected) if isinstance(expected, str) else expected
        # The destination with the fewest differences is the one that the test means.
        same = [one for one in found if one["worker"] == wanted.worker]
        near = min(same, key=lambda one: len(list(_differences(wanted, one))), default=None)
        if near is None:
            yield f"expected for worker {wanted.worker}; it is for {_told(found) or 'nobody'}"
            continue
        found.remove(near)
        yield from _differences(wanted, near)
    for one in found if test.expect_at_least is None else ():
        yield f"not expected: worker {one['worker']}, by rule {one['rule']}"


def _differences(wanted: _Expected, found: Mapping[str, Any]) -> Iterator[str]:
    for key in ("worker", "rule", "into", "table", "prio"):
        value = getattr(wanted, key)
        if value is not None and value != found[key]:
            yield f"worker {found['worker']}: {key}: expected {value!r}, found {found[key]!r}"
    for column, value in wanted.values.items():
        rows = found["rows"]
        if not any(column in row and _same(row[column], value) for row in rows):
            seen = [row[column] for row in rows if column in row]
            why = found["refused"] or (f"found {seen[0]!r}" if seen else "there is no such column")
            yield f"rule {found['rule']}: values.{column}: expected {value!r}, {why}"


def _same(found: Any, wanted: Any) -> bool:
    """Compare; for JSON text, a test may also expect the value that it encodes."""
    if isinstance(found, str) and not isinstance(wanted, str):
        try:
            found = msgspec.json.decode(found)
        except msgspec.DecodeError:
            return False
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def _destinations(config: Config, pipeline: Pipeline, fired: _Fired, node_id: str) -> list[dict[str, Any]]:
    every = dict(named(config.events))
    found = []
    for route, event in pipeline.take(pack_frame(fired.tag, fired.data), fired.received).destinations:
        rule = every[route.rule]
        rows, refused = _rows(rule, event, node_id)
        where = {"into": None, "table": rule.table} if route.into == OWN else {"into": event.into, "table": None}
        found.append(
            {"worker": route.worker, "rule": route.rule, **where, "prio": route.prio, "rows": rows, "refused": refused}
        )
    return found


def _rows(rule: EventRule, event: Event, node_id: str) -> tuple[list[dict[str, Any]], str]:
    try:
        if rule.is_own and event.into == OWN:
            return [_plain(destination_of(event.rule, rule).row(Facts(event, node_id)))], ""
        return [_plain(row) for _, row in RowBuilder(node_id, SQLite()).rows(event)], ""
    except Refused as exc:
        return [], f"the event is refused: {exc}"


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its times as text, which is how YAML holds them in quotes."""
    return {key: value if not hasattr(value, "isoformat") else _moment(value) for key, value in row.items()}


def _moment(value: Any) -> str:
    return str(value.strftime("%Y-%m-%d %H:%M:%S.%f"))


def _told(found: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['worker']} (rule {one['rule']})" for one in found)


def main(arguments: list[str] | None = None) -> int:
    """
    Run tests from a command line.

    :param arguments: without the program's name.
    :returns: the exit code: 0 if all tests hold, 1 if not, 2 if they could not be run.
    """
    parser = argparse.ArgumentParser(prog="python -m salt_eventsd.ruletest", description="Test the rules of a config.")
    parser.add_argument("--config", type=Path, required=True, help="a file with the eventsd: block")
    parser.add_argument("tests", type=Path, help="a file of tests, or a folder of them")
    given = parser.parse_args(arguments)
    try:
        opts = salt.utils.yaml.safe_load(given.config.read_text(encoding="utf-8")) or {}
        answer = run(load({"__role": "master", **opts}), read(given.tests))
    except (OSError, salt.utils.yaml.YAMLError) as exc:
        print(f"eventsd: {given.config} cannot be read: {exc}", file=sys.stderr)
        return 2
    except ConfigError as exc:
        print("\n".join(exc.problems), file=sys.stderr)
        return 2
    except EventsdError as exc:
        print(exc, file=sys.stderr)
        return 2
    for name, problems in answer["failed"].items():
        print("\n".join(f"FAILED {name}: {problem}" for problem in problems))
    print(f"{answer['passed']} passed, {len(answer['failed'])} failed")
    return int(answer["retcode"])
