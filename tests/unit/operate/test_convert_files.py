"""Old configs are read from files and folders; what is no old config at all is named in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.config.load import load
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.convert import convert, convert_path
from salt_eventsd.operate.convert.block import Block, rendered

EVENTS = "events: {a: {tag: a/, backend: Bench_Worker}}\n"
GENERAL = "general: {max_workers: 7}\n"

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
BACKENDS = st.sampled_from(
    [
        *("New_Job_Worker", "Minion_Return_Worker", "Minion_Sub_Worker", "Stat_Worker", "Bench_Worker"),
        *("Elasticsearch_Worker", "Minion_Batch_Return_Worker", "Mine", "Other_Worker"),
    ]
)


def events_of(subs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Old events, right and wrong."""
    return st.fixed_dictionaries(
        {},
        optional={
            "tag": st.sampled_from(["salt/job/", r"a/\d+", "("]) | ANYTHING,
            "fun": st.sampled_from(["test", "("]) | ANYTHING,
            "backend": BACKENDS | ANYTHING,
            "mysql_tab": st.sampled_from(["returns", "worker"]) | ANYTHING,
            "template": st.sampled_from(["insert into {0} values ('{1}', {2})", "select ' :a'"]) | ANYTHING,
            "dict_name": st.just("data") | ANYTHING,
            "fields": st.just(["jid", "return"]) | st.lists(st.text(max_size=6), max_size=3) | ANYTHING,
            "prio": ANYTHING,
            "batch_mode": ANYTHING,
            "debug": ANYTHING,
            "index": ANYTHING,
            "type": ANYTHING,
            "ignore": ANYTHING,
            "subs": subs,
        },
    )


OLD = st.fixed_dictionaries(
    {
        "events": st.dictionaries(
            st.text(max_size=6),
            events_of(st.dictionaries(st.text(max_size=6), events_of(ANYTHING), max_size=2) | ANYTHING),
            max_size=3,
        )
    },
    optional={
        "general": st.fixed_dictionaries(
            {},
            optional={
                key: ANYTHING | st.integers(1, 500)
                for key in (
                    *("event_limit", "dump_timer", "max_workers", "state_file", "state_timer", "stat_worker", "node"),
                    *("backends", "backend_dir", "id", "odd"),
                )
            },
        ),
        "worker_credentials": st.dictionaries(
            BACKENDS | st.just("all"),
            st.dictionaries(
                st.sampled_from(["username", "password", "hostname", "database", "port", "table", "hosts"]), ANYTHING
            ),
            max_size=3,
        ),
        "worker_settings": ANYTHING,
    },
)


@given(OLD)
def test_whatever_an_old_config_holds_the_outcome_is_right_or_one_line_says_why_not(old: dict[str, Any]) -> None:
    # Given
    text = yaml.safe_dump(old, allow_unicode=True)

    # When
    try:
        converted = convert(text)
    except EventsdError as exc:
        assert str(exc).startswith("eventsd.convert: path: ")  # noqa: PT017 - mostly there is none
        return

    # Then
    load({"cachedir": "/c", **yaml.safe_load(converted.text)})


@given(st.dictionaries(st.text(), ANYTHING), st.lists(st.text()))
def test_a_block_is_read_back_as_it_was(data: dict[str, Any], comments: list[str]) -> None:
    # Given
    outer, inner = Block(), Block()
    for key, value in data.items():
        inner.put(key, value, *comments)
    outer.put("inner", inner, *comments)

    # Then
    assert yaml.safe_load(rendered(outer)) == {"inner": data}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "empty; expected general, worker_credentials, worker_settings, events", id="empty"),
        pytest.param("# nothing\n", "empty; expected", id="only a comment"),
        pytest.param("events:\n\ta: {tag: x}\n", "not YAML: line 2, column 1: found character '\\t'", id="tabs"),
        pytest.param("events: {a: [}", "not YAML: line 1, column 14", id="a bracket"),
        pytest.param("a: 1\n--- \nb: 2\n", "not YAML: line 2", id="two documents"),
        pytest.param("events: !!python/object:os.system {}", "not YAML: line 1, column 9", id="an object"),
        pytest.param("- events\n", "expected a mapping, got a list", id="a list"),
        pytest.param("just text", "expected a mapping, got text", id="text"),
        pytest.param("master: salt\n", "no config of salt-eventsd 0.9.3; expected general", id="another config"),
        pytest.param("eventsd: {}\n", "no config of salt-eventsd 0.9.3: it is one of today's", id="today's config"),
        pytest.param("events: [{a: {tag: x}}]\n", "events: expected a mapping, got a list", id="events as a list"),
        pytest.param("general: 5\n", "general: expected a mapping, got a number", id="general as a number"),
        pytest.param(
            "worker_credentials: {all: secret}\n",
            "worker_credentials.all: expected a mapping, got text",
            id="credentials as text",
        ),
    ],
)
def test_what_is_no_old_config_is_named_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    # Given
    file = tmp_path / "eventsd"
    file.write_text(text, encoding="utf-8")

    # When
    with pytest.raises(EventsdError) as caught:
        convert_path(file)

    # Then
    assert str(caught.value).startswith(f"eventsd.convert: path: {file}: {says}")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_tabs_come_with_advice(tmp_path: Path) -> None:
    (tmp_path / "eventsd").write_text("events:\n\ta: {tag: x}\n", encoding="utf-8")

    with pytest.raises(EventsdError, match="indented with spaces"):
        convert_path(tmp_path / "eventsd")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EventsdError, match="there is no such file; expected the old config"):
        convert_path(tmp_path / "nowhere" / "eventsd")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "eventsd").write_bytes(b"events: \xff\xfe")

    with pytest.raises(EventsdError, match="expected text in UTF-8, got byte 0xff at 8"):
        convert_path(tmp_path / "eventsd")


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "eventsd").write_bytes(b"\xef\xbb\xbf" + EVENTS.encode())

    assert "noop" in convert_path(tmp_path / "eventsd")


def test_the_usual_file_of_a_folder_is_taken(tmp_path: Path) -> None:
    # Given
    (tmp_path / "eventsd").write_text(EVENTS, encoding="utf-8")
    (tmp_path / "master.conf").write_text("interface: 0.0.0.0\n", encoding="utf-8")

    # When
    text = convert_path(tmp_path)

    # Then
    assert text.startswith(f"# Converted from {tmp_path}, ")
    assert yaml.safe_load(text)["eventsd"]["events"] == {"a": {"tag": "a/", "worker": "bench"}}


def test_the_files_of_a_folder_are_taken_together(tmp_path: Path) -> None:
    # Given
    (tmp_path / "1.conf").write_text(GENERAL, encoding="utf-8")
    (tmp_path / "2.yaml").write_text(EVENTS, encoding="utf-8")
    (tmp_path / "3.yml").write_text("events: {b: {tag: b/, backend: Bench_Worker}}", encoding="utf-8")
    (tmp_path / "Mine.py").write_text("not: YAML: at all", encoding="utf-8")

    # When
    eventsd = yaml.safe_load(convert_path(tmp_path))["eventsd"]

    # Then
    assert eventsd["max_workers"] == 7
    assert list(eventsd["events"]) == ["a", "b"]


def test_a_folder_without_a_config(tmp_path: Path) -> None:
    with pytest.raises(EventsdError, match=r"neither a file eventsd .* nor one that ends in \.conf, \.yaml, \.yml"):
        convert_path(tmp_path)
