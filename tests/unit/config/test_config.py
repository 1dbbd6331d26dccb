"""What ``eventsd:`` may hold: defaults, merging, sizes, places."""

from __future__ import annotations

from typing import Any

import pytest

from salt_eventsd.config.load import load, state_file
from salt_eventsd.config.options import merged
from salt_eventsd.config.structs import BatchLimits, Size, WorkerConfig
from salt_eventsd.exceptions import ConfigError

CACHEDIR = "/var/cache/salt/master"


def opts(eventsd: Any = None, engines: Any = None) -> dict[str, Any]:
    """Return Salt's options, as far as the config reads them."""
    return {"cachedir": CACHEDIR, "id": "master1", "eventsd": eventsd, "engines": engines}


def test_without_options_jobs_and_returns_go_into_sqlite_under_the_cachedir() -> None:
    config = load({"cachedir": CACHEDIR, "engines": ["eventsd"]})

    assert config.workers == {
        "history": WorkerConfig(
            module="sql",
            batch=BatchLimits(events=1000, bytes=Size(8 * 2**20), seconds=1.0),
            concurrency=1,
            options={"url": f"sqlite:///{CACHEDIR}/eventsd/history.db"},
        )
    }
    assert {name: (rule.workers, rule.into) for name, rule in config.events.items()} == {
        "jobs": (("history",), "jobs"),
        "returns": (("history",), "returns"),
    }


def test_what_is_ignored_at_the_top_is_ignored_by_each_rule() -> None:
    # Given
    events = {"pings": {"tag": "salt/", "ignore": ["mine.*"]}, "all": {"tag": "x"}}

    # When
    config = load(opts({"ignore": ["status.*"], "events": events}))
    default = load(opts({"ignore": ["status.*"]}))

    # Then
    assert [rule.ignore for rule in config.events.values()] == [("mine.*", "status.*"), ("status.*",)]
    assert {rule.ignore for rule in default.events.values()} == {("saltutil.find_job", "status.*")}


def test_the_other_defaults() -> None:
    general = load(opts()).general

    assert general.spool.dir == f"{CACHEDIR}/eventsd/spool"
    assert (general.spool.max_bytes, general.spool.when_full) == (2**30, "drop_oldest")
    assert general.spool.commit_seconds == 0.1
    assert general.max_workers == 4
    assert (general.state_file, general.state_timer) == (f"{CACHEDIR}/eventsd/status.json", 5.0)
    assert general.redact.keys == ()
    assert (general.redact.values, general.redact.functions) == ((), {})
    assert general.metrics is None
    assert general.pillar is False


@pytest.mark.parametrize("empty", [None, {}, {"workers": None, "events": None, "defaults": None}, {"workers": {}}])
def test_nothing_is_the_same_as_no_options(empty: Any) -> None:
    assert load(opts(empty)) == load(opts())


@pytest.mark.parametrize(
    "empty",
    [
        pytest.param({"spool": None, "redact": None, "max_workers": None, "pillar": None}, id="blocks and keys"),
        pytest.param({"spool": {"dir": None}, "redact": {"keys": None}}, id="keys of blocks"),
        pytest.param({"workers": {"history": None}}, id="history"),
        pytest.param({"workers": {"history": {}}}, id="history, an empty mapping"),
        pytest.param({"workers": {"history": {"batch": None, "module": None}}}, id="keys of history"),
        pytest.param({"workers": {"history": {"batch": {"events": None}}}}, id="a limit of batches"),
    ],
)
def test_what_is_left_empty_keeps_its_default(empty: Any) -> None:
    assert load(opts(empty)) == load(opts())


def test_a_rule_may_have_keys_without_a_value() -> None:
    rule = {"tag": "salt/", "ignore": None, "where": None, "subs": {"one": {"fun": "x", "minion": None, "subs": None}}}

    assert load(opts({"events": {"some": rule}})).events["some"].subs["one"].fun == "x"


@pytest.mark.parametrize(
    "history",
    [
        pytest.param({"batch": {"seconds": 5}}, id="a batch"),
        pytest.param({"concurrency": 2}, id="concurrency"),
        pytest.param({"module": "sql"}, id="the module it has anyway"),
        pytest.param({"too_large": "bury"}, id="an option of its module"),
    ],
)
@pytest.mark.parametrize(
    "others",
    [
        pytest.param({}, id="alone"),
        pytest.param({"graphs": {"module": "graphite", "host": "h"}}, id="beside another"),
    ],
)
def test_a_history_that_is_only_tuned_writes_where_it_does_without_options(
    history: dict[str, Any], others: dict[str, Any]
) -> None:
    worker = load(opts({"workers": {"history": history, **others}})).workers["history"]

    assert (worker.module, worker.options["url"]) == ("sql", f"sqlite:///{CACHEDIR}/eventsd/history.db")


@pytest.mark.parametrize(
    "block",
    [
        pytest.param({"workers": {"history": {"module": "file", "path": "/x"}}}, id="another module"),
        pytest.param({"workers": {"history": {}}, "defaults": {"module": "file"}}, id="another module for all"),
        pytest.param({"workers": {"history": {"driver": "postgresql"}}}, id="a driver"),
        pytest.param({"workers": {"history": {"password": "x"}}}, id="a login without a database"),
        pytest.param({"workers": {"history": {}}, "defaults": {"driver": "postgresql"}}, id="a driver for all"),
        pytest.param({"workers": {"archive": {}}}, id="a worker of another name"),
    ],
)
def test_where_anything_is_said_of_a_database_none_is_assumed(block: dict[str, Any]) -> None:
    (worker,) = load(opts(block)).workers.values()

    assert "url" not in worker.options


def test_limits_of_batches_are_merged_over_those_of_all_workers() -> None:
    block = {"defaults": {"batch": {"events": 7}}, "workers": {"history": {"batch": {"seconds": 2}}}}

    batch = load(opts(block)).workers["history"].batch

    assert (batch.events, batch.seconds, batch.bytes) == (7, 2, 8 * 2**20)


def test_one_worker_of_any_name_gets_jobs_and_returns() -> None:
    config = load(opts({"workers": {"archive": {"url": "postgresql://db/salt"}}}))

    assert {name: rule.workers for name, rule in config.events.items()} == {
        "jobs": ("archive",),
        "returns": ("archive",),
    }


def test_of_several_workers_the_one_named_history_gets_jobs_and_returns() -> None:
    config = load(opts({"workers": {"graphs": {"module": "graphite"}, "history": {"url": "sqlite://"}}}))

    assert {rule.workers for rule in config.events.values()} == {("history",)}


def test_a_rule_need_not_name_the_only_worker() -> None:
    config = load(opts({"workers": {"w": {}}, "events": {"some": {"tag": "salt/"}}}))

    assert config.events["some"].workers == ("w",)


def test_a_workers_own_keys_are_its_options() -> None:
    config = load(opts({"workers": {"w": {"module": "graphite", "host": "h", "port": 2003, "batch": {"events": 5}}}}))

    worker = config.workers["w"]
    assert (worker.module, worker.options, worker.batch.events) == ("graphite", {"host": "h", "port": 2003}, 5)
    assert worker.batch.seconds == 1.0


def test_defaults_hold_for_workers_that_do_not_say_otherwise() -> None:
    # Given
    block = {
        "defaults": {"user": "salt", "password": "x", "batch": {"events": 7}, "concurrency": 2},
        "workers": {"one": {"host": "a"}, "two": {"host": "b", "user": "me", "concurrency": 1}},
        "events": {"e": {"tag": "x", "worker": ["one", "two"]}},
    }

    # When
    one, two = load(opts(block)).workers.values()

    # Then
    assert {**one.defaults, **one.options} == {"user": "salt", "password": "x", "host": "a"}
    assert {**two.defaults, **two.options} == {"user": "me", "password": "x", "host": "b"}
    assert (one.concurrency, two.concurrency, one.batch.events, two.batch.events) == (2, 1, 7, 7)


def test_a_worker_with_a_database_of_its_own_does_not_take_the_defaults_url() -> None:
    block = {
        "defaults": {"url": "postgresql://common/salt", "user": "salt"},
        "workers": {"one": {}, "two": {"host": "own"}},
        "events": {"e": {"tag": "x", "worker": ["one", "two"]}},
    }

    one, two = load(opts(block)).workers.values()

    assert {**one.defaults, **one.options} == {"url": "postgresql://common/salt", "user": "salt"}
    assert {**two.defaults, **two.options} == {"host": "own", "user": "salt"}


def test_defaults_that_name_a_database_replace_sqlite() -> None:
    config = load(opts({"defaults": {"url": "postgresql://db/salt"}}))

    assert config.workers["history"].defaults == {"url": "postgresql://db/salt"}


@pytest.mark.parametrize(
    "engines",
    [
        pytest.param([{"eventsd": {"max_workers": 9, "spool": {"max_bytes": "1KiB"}}}], id="a list"),
        pytest.param(["sqs", {"eventsd": {"max_workers": 9, "spool": {"max_bytes": "1KiB"}}}], id="among others"),
        pytest.param({"eventsd": {"max_workers": 9, "spool": {"max_bytes": "1KiB"}}}, id="a mapping"),
        pytest.param(
            [{"mine": {"engine_module": "eventsd", "max_workers": 9, "spool": {"max_bytes": "1KiB"}}}],
            id="under another name",
        ),
    ],
)
def test_what_stands_under_engines_is_merged_over_the_block(engines: Any) -> None:
    block = {"max_workers": 2, "state_timer": 3, "spool": {"max_bytes": "1MiB", "commit_seconds": 0.5}}

    general = load(opts(block, engines)).general

    assert (general.max_workers, general.state_timer) == (9, 3)
    assert (general.spool.max_bytes, general.spool.commit_seconds) == (1024, 0.5)


@pytest.mark.parametrize(
    "engines", [None, [], ["eventsd"], [{"eventsd": None}], [{"sqs": {"max_workers": 9}}], "eventsd"]
)
def test_engines_without_options_for_us_change_nothing(engines: Any) -> None:
    assert load(opts({"max_workers": 2}, engines)).general.max_workers == 2


def test_what_the_engine_was_given_counts_rather_than_what_stands_under_engines() -> None:
    config = load(opts({"max_workers": 2}, [{"eventsd": {"max_workers": 3}}]), {"max_workers": 4})

    assert config.general.max_workers == 4


def test_salts_options_are_not_changed_by_merging() -> None:
    given = opts({"spool": {"max_bytes": 1}}, [{"eventsd": {"spool": {"max_bytes": 2}}}])

    assert merged(given)["spool"] == {"max_bytes": 2}
    assert given["eventsd"] == {"spool": {"max_bytes": 1}}


def test_the_cachedir_can_be_named_in_any_path() -> None:
    block = {
        "spool": {"dir": "<cachedir>/x"},
        "state_file": "<cachedir>/y.json",
        "workers": {"w": {"url": "sqlite:///<cachedir>/z.db", "port": 1}},
    }

    config = load({**opts(block), "cachedir": "/c/"})

    assert (config.general.spool.dir, config.general.state_file) == ("/c/x", "/c/y.json")
    assert config.workers["w"].options == {"url": "sqlite:////c/z.db", "port": 1}


@pytest.mark.parametrize(
    ("block", "path"),
    [
        pytest.param(None, f"{CACHEDIR}/eventsd/status.json", id="the default"),
        pytest.param({"state_file": "<cachedir>/s"}, f"{CACHEDIR}/s", id="as configured"),
        pytest.param({"state_file": "/s", "max_workers": "many"}, "/s", id="though the rest is wrong"),
        pytest.param({"state_file": 3}, f"{CACHEDIR}/eventsd/status.json", id="itself wrong"),
        pytest.param({"state_file": "x.json"}, f"{CACHEDIR}/eventsd/status.json", id="relative"),
        pytest.param({"state_file": "/x\0"}, f"{CACHEDIR}/eventsd/status.json", id="with a nul"),
        pytest.param(["wrong"], f"{CACHEDIR}/eventsd/status.json", id="all wrong"),
    ],
)
def test_the_state_file_is_known_however_wrong_the_config(block: Any, path: str) -> None:
    assert state_file(opts(block)) == path


@pytest.mark.parametrize(
    ("value", "size"),
    [
        pytest.param("8MiB", 8 * 2**20, id="MiB"),
        pytest.param("1GiB", 2**30, id="GiB"),
        pytest.param("512 KiB", 512 * 2**10, id="with a blank"),
        pytest.param("1.5k", 1536, id="a fraction"),
        pytest.param("4096", 4096, id="digits"),
        pytest.param(4096, 4096, id="a number"),
        pytest.param(4096.9, 4096, id="a number with a fraction"),
    ],
)
def test_sizes(value: Any, size: int) -> None:
    assert Size.read(value) == size
    assert load(opts({"spool": {"max_bytes": value}})).general.spool.max_bytes == size


@pytest.mark.parametrize("value", ["", "many", "8 apples", "-1MiB", 0, -1, True, None, [1], {"a": 1}], ids=repr)
def test_what_is_no_size(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        Size.read(value)


def _itself() -> Any:
    """What YAML makes of ``&a [*a]``."""
    made: list[Any] = []
    made.append(made)
    return made


def _deep() -> Any:
    made: dict[str, Any] = {}
    for _ in range(5_000):
        made = {"a": made}
    return made


def _multiplied() -> Any:
    """What YAML makes of nine aliases of nine aliases of ..."""
    made: Any = "lol"
    for _ in range(12):
        made = [made] * 9
    return made


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda evil: opts(evil), id="the block itself"),
        pytest.param(lambda evil: opts({"events": evil}), id="events"),
        pytest.param(lambda evil: opts({"workers": {"history": {"url": evil}}}), id="an option"),
        pytest.param(lambda evil: opts({"redact": {"values": evil}}), id="redact"),
        pytest.param(lambda evil: opts({}, [{"eventsd": {"events": evil}}]), id="under engines"),
    ],
)
@pytest.mark.parametrize("make", [_itself, _deep, _multiplied])
def test_yaml_that_has_no_end_is_a_wrong_config(place: Any, make: Any) -> None:
    # Given
    given = place(make())

    # When
    with pytest.raises(ConfigError) as raised:
        load(given)

    # Then
    [problem] = raised.value.problems
    assert len(problem) < 300
    assert problem.startswith("eventsd: ")
    assert state_file(given) == f"{CACHEDIR}/eventsd/status.json"


def test_several_problems_are_told_at_once() -> None:
    # Given
    block = {
        "workers": {"graphs": {"batch": {"events": 0}}, "history": {"concurrency": "two"}},
        "events": {"a": {"tag": "("}, "b": {"tag": "x", "worker": "histroy"}, "c": {"worker": "history"}},
        "max_workers": 0,
    }

    # When
    with pytest.raises(ConfigError) as raised:
        load(opts(block))

    # Then
    keys = [problem.split(": ")[1] for problem in raised.value.problems]
    assert keys == [
        "workers.graphs.batch.events",
        "workers.history.concurrency",
        "events.a.tag",
        "events.b.worker",
        "events.c.tag",
        "max_workers",
    ]
    assert str(raised.value) == "\n".join(raised.value.problems)


def test_several_problems_of_general_keys_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        load(opts({"max_workers": 0, "state_timer": 0, "spool": {"when_full": "x"}, "metric": {}}))

    assert len(raised.value.problems) == 4


def test_functions_to_redact_may_be_a_list() -> None:
    redact = load({"eventsd": {"redact": {"functions": ["pillar.*", "shadow.*"]}}}).general.redact

    assert redact.by_function == {"pillar.*": "both", "shadow.*": "both"}


def test_a_config_shows_no_password() -> None:
    workers = {"history": {"url": "postgresql://salt:canary@db/salt"}, "b": {"module": "http", "password": "canary"}}

    config = load(
        {
            "eventsd": {
                "workers": workers,
                "defaults": {"password": "canary"},
                "events": {"a": {"tag": "x", "worker": "b"}},
            }
        }
    )

    assert "canary" not in repr(config)
