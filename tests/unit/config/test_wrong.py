"""Every kind of wrong option gives exactly one line that names the key and says what would be right."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.config.load import load
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.redact.vocabulary import FAMILIES

RULE = {"tag": "salt/"}


def problems(eventsd: Any) -> list[str]:
    """Return what is wrong with a block, [] if nothing is."""
    try:
        load({"cachedir": "/c", "eventsd": eventsd})
    except ConfigError as exc:
        return exc.problems
    return []


def worker(**options: Any) -> dict[str, Any]:
    return {"workers": {"history": options}}


def rule(**options: Any) -> dict[str, Any]:
    return {"events": {"returns": {**RULE, **options}}}


def sub(**options: Any) -> dict[str, Any]:
    return rule(subs={"well": {"fun": "test"}, "ill": options})


@pytest.mark.parametrize(
    ("block", "line"),
    [
        pytest.param([1], "expected a mapping, got list", id="the block is a list"),
        pytest.param("on", "expected a mapping, got str", id="the block is text"),
        pytest.param({"workers": ["a"]}, "workers: expected a mapping, got list", id="workers"),
        pytest.param({"events": "all"}, "events: expected a mapping, got str", id="events"),
        pytest.param({"defaults": 3}, "defaults: expected a mapping, got int", id="defaults"),
        pytest.param({"spool": 3}, "spool: expected mapping, got number", id="spool"),
        pytest.param({"spool": []}, "spool: expected mapping, got list", id="spool, a list"),
        pytest.param({"max_workers": "4"}, "max_workers: expected number, got text", id="text for a number"),
        pytest.param({"max_workers": True}, "max_workers: expected number, got bool", id="a boolean for a number"),
        pytest.param(
            {"max_workers": 0}, "max_workers: expected a number from 1 to 256, got 0", id="too small a number"
        ),
        pytest.param(
            {"max_workers": 10**7}, "max_workers: expected a number from 1 to 256, got 10000000", id="too large"
        ),
        pytest.param({"max_workers": 2.5}, "max_workers: expected whole number, got another", id="half a number"),
        pytest.param(
            {"state_file": "/x/a\0b"},
            r"state_file: expected a path that begins with / or <cachedir>, got '/x/a\x00b'",
            id="nul in a path",
        ),
        pytest.param(
            rule(tag="a{99999999999}"),
            "events.returns.tag: the repetition number is too large in 'a{99999999999}'",
            id="too many repetitions",
        ),
        pytest.param(
            rule(fun="(" * 5000 + ")" * 5000), f"events.returns.fun: nested too deeply: '{'(' * 60}...'", id="too deep"
        ),
        pytest.param(
            rule(where={"fun": {"match": "a{99999999999}"}}),
            "events.returns.where.fun: match: the repetition number is too large in 'a{99999999999}'",
            id="a condition likewise",
        ),
        pytest.param(
            worker(batch={"bytes": -math.inf}),
            "workers.history.batch.bytes: expected a size such as 8MiB, got -inf",
            id="an endless size",
        ),
        pytest.param({"state_timer": -1}, "state_timer: expected a number of seconds above 0, got -1.0", id="negative"),
        pytest.param({"state_file": 3}, "state_file: expected text, got number", id="a number for a path"),
        pytest.param({"pillar": 3}, "pillar: expected bool | text, got number", id="pillar"),
        pytest.param(
            {"metrics": {"certfile": "/c"}},
            "metrics.keyfile: certfile and keyfile are needed, both or neither",
            id="no key",
        ),
        pytest.param(
            {"metrics": {"client_cafile": "/c"}}, "metrics.client_cafile: needs a certfile", id="no certificate"
        ),
        pytest.param(
            {"metrics": {"certfile": "c", "keyfile": "/k"}},
            "metrics.certfile: expected a path that begins with /, got 'c'",
            id="a relative certificate",
        ),
        pytest.param({"repair": "perhaps"}, "repair: expected bool, got text", id="repair"),
        pytest.param({"spool": {"dir": 3}}, "spool.dir: expected text, got number", id="spool.dir"),
        pytest.param(
            {"spool": {"when_full": "panic"}},
            "spool.when_full: expected drop_oldest or drop_newest, got 'panic'",
            id="spool.when_full",
        ),
        pytest.param(
            {"spool": {"dir": ""}}, "spool.dir: expected a path that begins with / or <cachedir>, got ''", id="no-dir"
        ),
        pytest.param(
            {"spool": {"dir": "spool"}},
            "spool.dir: expected a path that begins with / or <cachedir>, got 'spool'",
            id="relative-dir",
        ),
        pytest.param(
            {"state_file": "x.json"},
            "state_file: expected a path that begins with / or <cachedir>, got 'x.json'",
            id="relative-file",
        ),
        pytest.param(
            {"spool": {"commit_seconds": 0}},
            "spool.commit_seconds: expected a number above 0 and up to 60, got 0.0",
            id="spool.commit_seconds",
        ),
        pytest.param(
            {"spool": {"max_bytes": "lots"}},
            "spool.max_bytes: expected a size above 0 such as 8MiB, got 'lots'",
            id="spool.max_bytes",
        ),
        pytest.param(
            {"spool": {"max_bytes": True}},
            "spool.max_bytes: expected a size such as 8MiB, got True",
            id="a boolean for a size",
        ),
        pytest.param({"redact": {"keys": "password"}}, "redact.keys: expected list, got text", id="redact.keys"),
        pytest.param({"redact": {"keys": ["a", 1]}}, "redact.keys[1]: expected text, got number", id="one of the keys"),
        pytest.param(
            {"redact": {"keys": ["pin", "!unknown"]}},
            f"redact.keys[1]: there is no 'unknown' to take out of the default; its keys are {', '.join(FAMILIES)}",
            id="a key that is not there to be taken out",
        ),
        pytest.param({"redact": {"keys": ["-"]}}, "redact.keys[0]: expected a name, got '-'", id="a key that is none"),
        pytest.param(
            {"redact": {"values": ["ok", "("]}},
            "redact.values[1]: missing ), unterminated subpattern at 0 in '('",
            id="a pattern on values",
        ),
        pytest.param(
            {"redact": {"functions": {"good.*": "return", "bad.*": "all"}}},
            "redact.functions.bad.*: expected one of return, arguments, both, nothing, got 'all'",
            id="redact.functions",
        ),
        pytest.param(
            {"redact": {"functions": {"good.*": "return", "bad.*": 3}}},
            "redact.functions.bad.*: expected text, got number",
            id="redact.functions, of another kind",
        ),
        pytest.param(
            {"redact": {"functions": ["good.*", 3]}},
            "redact.functions[1]: expected text, got number",
            id="redact.functions, a list",
        ),
        pytest.param(
            {"redact": {"functions": "all"}},
            "redact.functions: expected mapping | list, got text",
            id="redact.functions, text",
        ),
        pytest.param(worker(module=3), "workers.history.module: expected text, got number", id="module"),
        pytest.param({"workers": {"w": 3}}, "workers.w: expected a mapping, got int", id="a worker"),
        pytest.param(worker(batch=3), "workers.history.batch: expected mapping, got number", id="batch"),
        pytest.param(
            worker(batch={"events": 0}), "workers.history.batch.events: expected 1 or more, got 0", id="batch.events"
        ),
        pytest.param(
            worker(batch={"bytes": "8 apples"}),
            "workers.history.batch.bytes: expected a size above 0 such as 8MiB, got '8 apples'",
            id="batch.bytes",
        ),
        pytest.param(
            worker(batch={"seconds": 0}),
            "workers.history.batch.seconds: expected a number above 0, got 0.0",
            id="batch.seconds",
        ),
        pytest.param(
            worker(batch={"seconds": math.nan}),
            "workers.history.batch.seconds: expected a number above 0, got nan",
            id="batch.seconds, not a number",
        ),
        pytest.param(
            worker(concurrency=0),
            "workers.history.concurrency: expected a number from 1 to 256, got 0",
            id="concurrency",
        ),
        pytest.param(
            {"workers": {"a": {}, "b": {}}},
            "events: missing; with several workers (a, b) say which events each gets, or name one of them history",
            id="several workers and no events",
        ),
        pytest.param({"events": {"a": 3}}, "events.a: expected mapping, got number", id="a rule is a number"),
        pytest.param({"events": {"a": None}}, "events.a: expected mapping, got null", id="a rule is left empty"),
        pytest.param(
            {"events": {"a": {"worker": "history"}}},
            r"events.a.tag: missing; expected a regular expression such as salt/job/\d+/ret/",
            id="no tag",
        ),
        pytest.param(rule(tag=3), "events.returns.tag: expected text | null, got number", id="a tag is a number"),
        pytest.param(
            rule(tag=r"salt/job/(\d+"),
            r"events.returns.tag: missing ), unterminated subpattern at 9 in 'salt/job/(\d+'",
            id="a tag does not compile",
        ),
        pytest.param(rule(fun="["), "events.returns.fun: unterminated character set at 0 in '['", id="a fun likewise"),
        pytest.param(rule(ignore="test.*"), "events.returns.ignore: expected list, got text", id="ignore is no list"),
        pytest.param(
            rule(prio="yes"), "events.returns.prio: expected bool | number | null, got text", id="prio is text"
        ),
        pytest.param(
            rule(worker=3), "events.returns.worker: expected text | list | null, got number", id="a worker is 3"
        ),
        pytest.param(
            rule(worker=["history", 3]), "events.returns.worker[1]: expected text, got number", id="one of the workers"
        ),
        pytest.param(
            {"workers": {"a": {}, "b": {}}, "events": {"e": RULE}},
            "events.e.worker: missing; expected one or several of a, b",
            id="a rule without a worker",
        ),
        pytest.param(
            rule(into="nowhere"),
            "events.returns.into: no table 'nowhere'; there are jobs, returns, states, events, minions",
            id="no such table",
        ),
        pytest.param(
            rule(worker="elsewhere"),
            "events.returns.worker: no worker 'elsewhere' under workers; there is history",
            id="no such worker",
        ),
        pytest.param(
            sub(worker="elsewhere"),
            "events.returns.subs.ill.worker: no worker 'elsewhere' under workers; there is history",
            id="no such worker, in a sub",
        ),
        pytest.param(
            sub(fun="("),
            "events.returns.subs.ill.fun: missing ), unterminated subpattern at 0 in '('",
            id="a sub's pattern",
        ),
        pytest.param(
            sub(subs={"deep": {"tag": "["}}),
            "events.returns.subs.ill.subs.deep.tag: unterminated character set at 0 in '['",
            id="a sub's sub's pattern",
        ),
        pytest.param(
            sub(fun=3), "events.returns.subs.ill.fun: expected text | null, got number", id="a sub's fun is 3"
        ),
        pytest.param(rule(subs=["raid"]), "events.returns.subs: expected mapping, got list", id="subs are a list"),
    ],
)
def test_one_problem_is_one_line_that_names_the_key(block: Any, line: str) -> None:
    assert problems(block) == [f"eventsd: {line}"]


@pytest.mark.parametrize(
    ("block", "key", "meant"),
    [
        pytest.param({"max_worker": 3}, "max_worker", "max_workers", id="at the top"),
        pytest.param({"worker": {}}, "worker", "workers", id="at the top, for a section"),
        pytest.param({"spool": {"max_byte": 3}}, "spool.max_byte", "max_bytes", id="in the spool"),
        pytest.param({"redact": {"key": []}}, "redact.key", "keys", id="in redact"),
        pytest.param({"metrics": {"prt": 1}}, "metrics.prt", "port", id="in metrics"),
        pytest.param(worker(batch={"event": 3}), "workers.history.batch.event", "events", id="in a batch"),
        pytest.param(rule(woker="history"), "events.returns.woker", "worker", id="in a rule"),
        pytest.param(sub(fnu="x"), "events.returns.subs.ill.fnu", "fun", id="in a sub"),
    ],
)
def test_an_unknown_key_is_told_with_the_one_that_was_meant(block: Any, key: str, meant: str) -> None:
    (line,) = problems(block)

    assert line.startswith(f"eventsd: {key}: unknown key; known are ")
    assert line.endswith(f"; did you mean {meant!r}?")
    assert meant in line.split("known are ")[1].split(";")[0].split(", ")


def test_a_key_like_no_other_is_told_without_a_guess() -> None:
    (line,) = problems({"xyzzy": 1})

    assert line.startswith("eventsd: xyzzy: unknown key; known are ")
    assert "did you mean" not in line


def test_a_misspelt_worker_is_told_with_the_one_that_was_meant() -> None:
    assert problems(rule(worker="histroy")) == [
        "eventsd: events.returns.worker: no worker 'histroy' under workers; there is history; did you mean 'history'?"
    ]


@pytest.mark.parametrize(
    ("block", "key"),
    [
        pytest.param({1: 2}, "1", id="at the top"),
        pytest.param({"events": {"a": {**RULE, 1: 2}}}, "events.a.1", id="in a rule"),
        pytest.param(rule(subs={1: {"fun": "("}}), "events.returns.subs.1.fun", id="below a sub's name"),
    ],
)
def test_a_key_that_is_no_text_is_named(block: Any, key: str) -> None:
    (line,) = problems(block)

    assert line.startswith(f"eventsd: {key}: ")
    assert "$" not in line


@pytest.mark.parametrize(
    ("options", "line"),
    [
        pytest.param(
            {"table": "t", "columns": {"a": "jid"}, "into": "jobs"},
            "table: there is into already; one of into, table and statement",
            id="into and table",
        ),
        pytest.param(
            {"table": "t", "columns": {"a": "jid"}, "statement": "SELECT 1"},
            "statement: there is table already; one of into, table and statement",
            id="table and statement",
        ),
        pytest.param({"table": 3}, "table: expected text | null, got number", id="table is a number"),
        pytest.param(
            {"table": "", "columns": {"a": "jid"}},
            "table: expected a table's name, or schema.table",
            id="table is empty",
        ),
        pytest.param(
            {"table": "t"},
            "columns: missing; expected column: field, such as {server: data.id}",
            id="table without columns",
        ),
        pytest.param({"columns": {"a": "jid"}}, "columns: belongs to table, which is missing", id="columns alone"),
        pytest.param({"upsert": ["a"]}, "upsert: belongs to table, which is missing", id="upsert alone"),
        pytest.param(
            {"statement": "SELECT 1", "columns": {"a": "jid"}},
            "columns: belongs to table, which is missing",
            id="columns of a statement",
        ),
        pytest.param({"table": "t", "columns": ["a"]}, "columns: expected mapping, got list", id="columns are a list"),
        pytest.param(
            {"table": "t", "columns": {"a": "jid"}, "upsert": "a"},
            "upsert: expected list, got text",
            id="upsert is text",
        ),
        pytest.param(
            {"table": "t", "columns": {"a": "jid", "b": "fun"}, "upsert": ["c"]},
            "upsert: 'c' is not among columns (a, b)",
            id="upsert of another column",
        ),
        pytest.param(
            {"table": "t", "columns": {"a": "jid", "b": "minion_id.x"}},
            "columns.b: 'minion_id.x': only data has fields of its own",
            id="a column's field",
        ),
        pytest.param(
            {"table": "t", "columns": {"a": "data.x | yaml"}},
            "columns.a: 'data.x | yaml': no filter 'yaml'; there is json",
            id="a column's filter",
        ),
        pytest.param({"statement": 3}, "statement: expected text | null, got number", id="statement is a number"),
        pytest.param(
            {"statement": " "}, "statement: expected SQL such as INSERT INTO t (a) VALUES (:a)", id="statement is empty"
        ),
        pytest.param({"fields": {"a": "jid"}}, "fields: belongs to statement, which is missing", id="fields alone"),
        pytest.param(
            {"table": "t", "columns": {"a": "jid"}, "fields": {"a": "jid"}},
            "fields: belongs to statement, which is missing",
            id="fields of a table",
        ),
        pytest.param(
            {"statement": "SELECT :a, :b", "fields": {"a": "jid"}},
            "fields.b: missing; the statement has :b (a plain colon is \\:)",
            id="a parameter without a field",
        ),
        pytest.param(
            {"statement": "SELECT :a", "fields": {"a": "jid", "b": "fun"}},
            "fields.b: the statement has no :b",
            id="a field without a parameter",
        ),
        pytest.param(
            {"statement": "SELECT ':a'", "fields": {"a": "jid"}},
            "statement: :a stands in quotes or a comment; expected it bare, as values are bound",
            id="a parameter in quotes",
        ),
        pytest.param(
            {"statement": "SELECT :a -- :b", "fields": {"a": "jid", "b": "jid"}},
            "statement: :b stands in quotes or a comment; expected it bare, as values are bound",
            id="a parameter in a comment",
        ),
        pytest.param(
            {"statement": "SELECT :a", "fields": {"a": "data..x"}},
            "fields.a: 'data..x' is no field; expected one of data, tag, jid, minion_id, fun, kind, phase, stamp, "
            "received, now, rule, master_id, with a path such as data.id; a key with dots or spaces stands in quotes; "
            "a constant text stands in quotes of its own",
            id="a parameter's field",
        ),
        pytest.param({"missing": "drop"}, "missing: expected null or refuse, got 'drop'", id="missing"),
    ],
)
@pytest.mark.parametrize(
    ("place", "key"),
    [pytest.param(rule, "events.returns", id="rule"), pytest.param(sub, "events.returns.subs.ill", id="sub")],
)
def test_what_is_wrong_with_a_table_or_statement_of_ones_own(
    place: Any, key: str, options: dict[str, Any], line: str
) -> None:
    assert problems(place(**options)) == [f"eventsd: {key}.{line}"]


def test_an_infinite_size_is_told() -> None:
    assert len(problems({"spool": {"max_bytes": math.inf}})) == 1


def test_an_infinite_timer_is_told() -> None:
    assert len(problems({"state_timer": math.inf})) == 1


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_told(port: int) -> None:
    assert len(problems({"metrics": {"port": port}})) == 1


def test_workers_of_the_wrong_kind_are_one_problem_not_one_for_each_rule() -> None:
    block = {"workers": ["graphs"], "events": {"a": {"tag": "x", "worker": "graphs"}}}

    assert problems(block) == ["eventsd: workers: expected a mapping, got list"]


def test_a_sub_that_can_have_no_worker_is_told() -> None:
    subs = {"s": {"fun": "f", "worker": "a"}, "t": {"fun": "g"}}

    found = problems({"workers": {"a": {}, "b": {}}, "events": {"r": {"tag": "x", "subs": subs}}})

    assert [line.split(": ")[1] for line in found] == ["events.r.subs.t.worker"]


NAMES = st.sampled_from(
    [
        "workers",
        "events",
        "spool",
        "redact",
        "tag",
        "worker",
        "batch",
        "subs",
        "keys",
        "functions",
        "metrics",
        "history",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(eventsd=ANYTHING | st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_any_config_is_either_taken_or_told_what_is_wrong_with_it(eventsd: Any) -> None:
    found = problems(eventsd)

    assert all(line.startswith("eventsd: ") and "\n" not in line for line in found)
