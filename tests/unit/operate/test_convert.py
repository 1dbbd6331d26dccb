"""Configs of salt-eventsd 0.9.3 become today's: what each key turns into, and that it is right."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from salt_eventsd.config.load import load
from salt_eventsd.config.structs import Config
from salt_eventsd.operate.convert import Converted, convert

HISTORY = r"""
general:
    sock_dir: /var/run/salt/master
    node: master
    id: ''
    pidfile: /var/run/salt-eventsd.pid
    logfile: /var/log/salt/eventsd
    loglevel: info
    event_limit: 50
    dump_timer: 2.5
    max_workers: 20
    state_file: /var/run/salt-eventsd.status
    state_timer: 10
    backends: [Minion_Return_Worker, New_Job_Worker]
    stat_worker: false

worker_credentials:
    all:
        username: salt
        password: "s3:c'r@et#1"
        hostname: db.example.com
        database: salt

events:
    new_job:
        tag: salt/job/[0-9]*/new
        backend: New_Job_Worker
        mysql_tab: cmd_hist
        template: insert into {0} (jid, date, user, fun, arg, tgt, tgt_type)
            values ('{1}','{2}','{3}','{4}','{5}','{6}',"{7}");
        dict_name: data
        fields: [jid, _stamp, user, fun, arg, tgt, tgt_type]
        debug: false
    job_return:
        tag: salt/job/[0-9]*/ret/\w+
        backend: Minion_Return_Worker
        mysql_tab: returns
        template: >
            insert into {0} (jid, rec_date, srv_id, retcode, returns, success)
            values ('{1}', now(), '{2}', {3}, '{4}', '{5}')
        dict_name: data
        fields: [jid, id, retcode, return, success]
        prio: 1
        batch_mode: true
"""

SUBS = r"""
worker_credentials:
    all: {username: salt, password: secret, hostname: db, database: salt}
    Minion_Sub_Worker: {username: sub, password: 1234, hostname: db, database: inventory}
events:
    returns:
        tag: salt/job/[0-9]*/ret/\w+
        backend: Minion_Return_Worker
        mysql_tab: returns
        template: insert into {0} (jid, srv) values ('{1}', '{2}') on duplicate key update srv='{2}'
        dict_name: data
        fields: [jid, id]
        subs:
            raid:
                fun: wputil\.check_raid
                backend: Minion_Sub_Worker
                mysql_tab: raid
                template: insert into {0} (srv, state) values ('{1}', '{2}') on duplicate key update state='{2}';
                dict_name: data
                fields: [id, return]
            alarms:
                tag: company/alarm/
                backend: Minion_Sub_Worker
                mysql_tab: alarms
                template: insert into {0} (srv, level) values ('{1}', '{2}')
                dict_name: data
                fields: [id, level]
"""

OWN = r"""
general: {backend_dir: /srv/eventsd, backends: [Mine, Other]}
worker_credentials: {Mine: {hostname: h, token: t}}
events:
    first: {tag: a/, backend: Mine, fields: [jid], batch_mode: true, colour: red}
    second: {tag: b/, backend: Mine, subs: {inner: {fun: x, backend: Mine}}}
    third: {tag: c/, backend: Other}
"""


def convert_all(text: str) -> tuple[Converted, dict[str, Any], Config]:
    """The conversion, what its text holds, and the config the engine makes of that."""
    converted = convert(text)
    opts = yaml.safe_load(converted.text)
    return converted, opts["eventsd"], load({"cachedir": "/c", **opts})


def sql_event(**more: Any) -> dict[str, Any]:
    """An event that a MySQL backend wrote."""
    return {
        "tag": "salt/job/[0-9]*/ret/",
        "backend": "Minion_Return_Worker",
        "mysql_tab": "returns",
        "template": "insert into {0} values ('{1}')",
        "dict_name": "data",
        "fields": ["jid"],
        **more,
    }


def old_config(*, credentials: Any = None, general: Any = None, **events: Any) -> str:
    """An old config as YAML."""
    if credentials is None:
        credentials = {"all": {"username": "u", "password": "p", "hostname": "h", "database": "d"}}
    data = {"general": general or {}, "worker_credentials": credentials, "events": events}
    text: str = yaml.safe_dump(data, sort_keys=False)
    return text


class TestAJobHistory:
    """The usual config: two events into two tables."""

    def test_the_events_are_statements_into_the_tables_there_are(self) -> None:
        # When
        _, eventsd, _ = convert_all(HISTORY)

        # Then
        assert eventsd["events"] == {
            "new_job": {
                "tag": "salt/job/[0-9]*/new",
                "worker": "mysql",
                "statement": "insert into cmd_hist (jid, date, user, fun, arg, tgt, tgt_type) "
                "values (:jid,:stamp,:user,:fun,:arg,:tgt,:tgt_type)",
                "fields": {
                    "jid": "data.jid",
                    "stamp": "data._stamp",
                    "user": "data.user",
                    "fun": "data.fun",
                    "arg": "data.arg | json",
                    "tgt": "data.tgt",
                    "tgt_type": "data.tgt_type",
                },
            },
            "job_return": {
                "tag": r"salt/job/[0-9]*/ret/\w+",
                "prio": 1,
                "worker": "mysql",
                "statement": "insert into returns (jid, rec_date, srv_id, retcode, returns, success) "
                "values (:jid, now(), :id, :retcode, :return, "
                "case when :success then 'True' when not :success then 'False' end)",
                "fields": {
                    "jid": "data.jid",
                    "id": "data.id",
                    "retcode": "data.retcode",
                    "return": "data.return | json",
                    "success": "data.success",
                },
            },
        }

    def test_the_credentials_of_all_are_defaults(self) -> None:
        # When
        _, eventsd, _ = convert_all(HISTORY)

        # Then
        assert eventsd["workers"] == {"mysql": {"module": "sql", "driver": "mysql"}}
        assert eventsd["defaults"] == {
            "batch": {"events": 50, "seconds": 2.5},
            "host": "db.example.com",
            "user": "salt",
            "password": "s3:c'r@et#1",
            "database": "salt",
        }

    def test_the_general_settings_are_taken_over(self) -> None:
        # When
        _, eventsd, config = convert_all(HISTORY)

        # Then
        assert (eventsd["max_workers"], eventsd["state_timer"]) == (20, 10)
        assert eventsd["state_file"] == "/var/run/salt-eventsd.status"
        assert config.workers["mysql"].batch.seconds == 2.5

    def test_every_other_key_is_named(self) -> None:
        # When
        converted, _, _ = convert_all(HISTORY)

        # Then
        assert converted.lost == ()
        named = {text.split(":")[0] for text in converted.dropped}
        assert named == {
            *("general.sock_dir", "general.node", "general.id", "general.pidfile", "general.logfile"),
            *("general.loglevel", "general.backends", "debug", "batch_mode"),
        }
        for text in converted.dropped:
            assert text.split(":")[0] in converted.text


class TestSubEvents:
    """Sub-events keep their place, their pattern and their own database."""

    def test_they_stay_under_their_parent(self) -> None:
        # When
        _, eventsd, config = convert_all(SUBS)

        # Then
        rule = eventsd["events"]["returns"]
        assert rule["statement"] == "insert into returns (jid, srv) values (:jid, :id) on duplicate key update srv=:id"
        assert rule["fields"] == {"jid": "data.jid", "id": "data.id"}
        assert rule["subs"] == {
            "raid": {
                "fun": r"wputil\.check_raid",
                "worker": "minion_sub",
                "statement": "insert into raid (srv, state) values (:id, :return) "
                "on duplicate key update state=:return",
                "fields": {"id": "data.id", "return": "data.return | json"},
            },
            "alarms": {
                "tag": "company/alarm/",
                "worker": "minion_sub",
                "statement": "insert into alarms (srv, level) values (:id, :level)",
                "fields": {"id": "data.id", "level": "data.level"},
            },
        }
        assert config.events["returns"].subs["raid"].workers == ("minion_sub",)

    def test_each_of_the_credentials_is_a_worker(self) -> None:
        # When
        _, eventsd, _ = convert_all(SUBS)

        # Then: what is not as in the defaults stands with the worker, and text that looks like a number stays text
        assert eventsd["workers"] == {
            "mysql": {"module": "sql", "driver": "mysql"},
            "minion_sub": {
                "module": "sql",
                "driver": "mysql",
                "user": "sub",
                "password": "1234",
                "database": "inventory",
            },
        }

    def test_the_defaults_do_not_reach_a_worker_that_had_none_of_them(self) -> None:
        # Given: a port of all that the other server has not got
        text = old_config(
            credentials={
                "all": {"username": "u", "hostname": "h", "port": 3307},
                "Minion_Sub_Worker": {"username": "u", "hostname": "h2"},
            },
            a=sql_event(),
            b=sql_event(backend="Minion_Sub_Worker"),
        )

        # When
        _, eventsd, _ = convert_all(text)

        # Then
        assert "defaults" not in eventsd
        assert eventsd["workers"]["mysql"] == {
            "module": "sql",
            "driver": "mysql",
            "host": "h",
            "port": 3307,
            "user": "u",
        }
        assert "port" not in eventsd["workers"]["minion_sub"]

    def test_those_of_an_event_that_is_lost_stand_alone(self) -> None:
        # Given
        text = old_config(
            returns=sql_event(
                mysql_tab="worker",
                prio=1,
                subs={
                    "raid": sql_event(tag=None, fun="raid"),
                    "inner": sql_event(tag="company/", prio=0),
                },
            )
        )

        # When
        converted, eventsd, _ = convert_all(text)

        # Then
        assert list(eventsd["events"]) == ["returns.subs.raid", "returns.subs.inner"]
        assert eventsd["events"]["returns.subs.raid"]["tag"] == "salt/job/[0-9]*/ret/"
        assert eventsd["events"]["returns.subs.raid"]["fun"] == "raid"
        assert eventsd["events"]["returns.subs.raid"]["prio"] == 1
        assert eventsd["events"]["returns.subs.inner"]["tag"] == "(?=salt/job/[0-9]*/ret/)(?:company/)"
        assert [text.split(":")[0] for text in converted.lost] == ["events.returns.mysql_tab"]


class TestOwnBackends:
    """Classes of the user's own run through the adapter."""

    def test_each_rule_has_a_worker_since_an_event_goes_to_each_once(self) -> None:
        # When
        _, eventsd, _ = convert_all(OWN)

        # Then
        workers = {
            name: {key: value for key, value in worker.items() if key != "settings"}
            for name, worker in eventsd["workers"].items()
        }
        assert workers == {
            "mine": {"module": "legacy", "backend": "Mine"},
            "mine_second": {"module": "legacy", "backend": "Mine"},
            "mine_second_subs_inner": {"module": "legacy", "backend": "Mine"},
            "other": {"module": "legacy", "backend": "Other"},
        }
        assert eventsd["events"]["first"] == {"tag": "a/", "worker": "mine"}
        assert eventsd["events"]["second"] == {
            "tag": "b/",
            "worker": "mine_second",
            "subs": {"inner": {"fun": "x", "worker": "mine_second_subs_inner"}},
        }

    def test_they_get_what_the_old_config_says_of_them(self) -> None:
        # When
        _, eventsd, config = convert_all(OWN)

        # Then
        old = yaml.safe_load(OWN)
        assert eventsd["defaults"] == {"backend_dir": "/srv/eventsd"}
        assert config.workers["mine"].options["settings"] == {
            "general": old["general"],
            "worker_credentials": {"Mine": {"hostname": "h", "token": "t"}},
            "events": {"first": old["events"]["first"], "second": old["events"]["second"]},
        }
        assert config.workers["other"].options["settings"] == {
            "general": old["general"],
            "worker_credentials": {},
            "events": {"third": old["events"]["third"]},
        }

    def test_they_get_no_password_but_their_own(self) -> None:
        # Given
        text = yaml.safe_dump(
            {
                "worker_credentials": {
                    "all": {"username": "u", "password": "canary-all", "hostname": "h", "database": "d"},
                    "Minion_Return_Worker": {"username": "u", "password": "canary-sql", "hostname": "h"},
                    "Mine": {"password": "canary-mine"},
                },
                "worker_settings": {"Minion_Batch_Return_Worker": {"host": "r", "password": "canary-redis"}},
                "events": {
                    "mine": {"tag": "a/", "backend": "Mine"},
                    "other": {"tag": "b/", "backend": "Other"},
                    "returns": sql_event(subs={"mine": {"fun": "x", "backend": "Mine"}}),
                    "cached": {"tag": "c/", "backend": "Minion_Batch_Return_Worker"},
                },
            }
        )

        # When
        converted, eventsd, _ = convert_all(text)

        # Then: each where it is needed, and nowhere else
        passwords = {
            name: sorted(set(re.findall(r"canary-\w+", yaml.safe_dump(worker))))
            for name, worker in eventsd["workers"].items()
        }
        assert passwords == {
            "mine": ["canary-mine"],
            "other": ["canary-all"],
            "mine_returns_subs_mine": ["canary-mine"],
            "minion_return": ["canary-sql"],
            "redis": ["canary-redis"],
        }
        assert "canary" not in yaml.safe_dump(eventsd["defaults"])
        assert "canary" not in "".join((*converted.lost, *converted.choices, *converted.dropped))

    def test_parts_that_nobody_else_had_are_theirs(self) -> None:
        _, eventsd, _ = convert_all("events: {a: {tag: a/, backend: Mine}}\nmine: {colour: red}\n")

        assert eventsd["workers"]["mine"]["settings"]["mine"] == {"colour": "red"}

    def test_a_folder_that_was_not_said_is_assumed(self) -> None:
        # When
        converted, eventsd, _ = convert_all("events: {a: {tag: a/, backend: Mine}}")

        # Then
        assert eventsd["defaults"]["backend_dir"] == "/etc/salt/eventsd_workers"
        assert "Assumed" in converted.text


class TestOtherBackends:
    """The backends that were shipped besides those for MySQL."""

    def test_the_one_that_does_nothing(self) -> None:
        # When
        _, eventsd, _ = convert_all("events: {a: {tag: a/, backend: Bench_Worker}}")

        # Then
        assert eventsd == {"workers": {"bench": {"module": "noop"}}, "events": {"a": {"tag": "a/", "worker": "bench"}}}

    def test_elasticsearch_has_a_worker_for_each_index(self) -> None:
        # Given
        text = old_config(
            credentials={"Elasticsearch_Worker": {"hosts": ["es1", "es2:9201", "https://es3"], "username": "u"}},
            a={
                "tag": "a/",
                "backend": "Elasticsearch_Worker",
                "index": "Salt-{x}",
                "type": "t",
                "ignore": ["test.ping"],
            },
            b={"tag": "b/", "backend": "Elasticsearch_Worker", "index": "other"},
            c={"tag": "c/", "backend": "Elasticsearch_Worker", "index": "other", "ignore": "one.only"},
        )

        # When
        converted, eventsd, _ = convert_all(text)

        # Then
        server = {"module": "elasticsearch", "url": ["http://es1:9200", "http://es2:9201", "https://es3"], "user": "u"}
        assert eventsd["workers"] == {
            "elasticsearch_salt_x": {**server, "index": "Salt-{{x}}"},
            "elasticsearch_other": {**server, "index": "other"},
        }
        assert eventsd["events"] == {
            "a": {"tag": "a/", "worker": "elasticsearch_salt_x", "ignore": ["test.ping"]},
            "b": {"tag": "b/", "worker": "elasticsearch_other"},
            "c": {"tag": "c/", "worker": "elasticsearch_other", "ignore": ["one.only"]},
        }
        assert any(text.startswith("type: ") for text in converted.dropped)

    def test_sub_events_are_not_kept_from_what_elasticsearch_ignores(self) -> None:
        # Given
        event = {"tag": "a/", "backend": "Elasticsearch_Worker", "ignore": ["x"], "subs": {"b": sql_event(fun="x")}}

        # When
        _, eventsd, _ = convert_all(old_config(a=event))

        # Then
        assert list(eventsd["events"]) == ["a", "a.subs.b"]

    def test_redis_has_a_key_for_each_job(self) -> None:
        # Given
        event = {"tag": "salt/job/[0-9]*/ret/", "backend": "Minion_Batch_Return_Worker", "batch_mode": True}
        settings = {"Minion_Batch_Return_Worker": {"host": "r", "port": "6380", "db": 2, "password": 5}}
        text = yaml.safe_dump({"worker_settings": settings, "events": {"a": event}})

        # When
        _, eventsd, _ = convert_all(text)

        # Then
        assert eventsd["workers"] == {
            "redis": {
                "module": "redis",
                "host": "r",
                "port": 6380,
                "db": 2,
                "password": "5",
                "actions": [{"set": "{jid}", "value": "data.return"}],
            }
        }
        assert eventsd["events"] == {"a": {"tag": "salt/job/[0-9]*/ret/", "worker": "redis"}}

    def test_no_worker_takes_the_password_of_another_kind(self) -> None:
        # Given
        text = old_config(a=sql_event(), b={"tag": "b/", "backend": "Elasticsearch_Worker"}, general={"dump_timer": 5})

        # When
        _, eventsd, _ = convert_all(text)

        # Then
        assert eventsd["defaults"] == {"batch": {"seconds": 5}}
        assert eventsd["workers"]["mysql"]["password"] == "p"
        assert eventsd["workers"]["elasticsearch_salt"] == {
            "module": "elasticsearch",
            "url": ["http://localhost:9200"],
            "index": "salt",
        }

    def test_the_stats_are_a_worker_and_a_rule(self) -> None:
        # Given
        credentials = {
            "all": {"username": "u", "password": "p@/%", "hostname": "h", "database": "d"},
            "Stat_Worker": {"username": "s", "password": "p@/%", "hostname": "h", "database": "d", "table": "my_stats"},
        }

        # When
        converted, eventsd, _ = convert_all(
            old_config(general={"stat_worker": True}, credentials=credentials, stats=sql_event())
        )

        # Then
        assert eventsd["workers"] == {
            "mysql": {"module": "sql", "driver": "mysql"},
            "stats": {"module": "stats", "driver": "mysql", "user": "s"},
        }
        assert eventsd["defaults"] == {"host": "h", "user": "u", "password": "p@/%", "database": "d"}
        assert eventsd["events"]["stats_"] == {"tag": "eventsd/stats", "worker": "stats"}
        assert "my_stats is not written any more" in converted.text

    def test_events_of_the_return_worker_without_a_template_go_into_our_table(self) -> None:
        # When
        _, eventsd, _ = convert_all(old_config(a=sql_event(template=None)))

        # Then
        assert eventsd["events"]["a"] == {"tag": "salt/job/[0-9]*/ret/", "worker": "mysql", "into": "returns"}

    def test_starts_of_jobs_are_kept_from_the_return_worker(self) -> None:
        # Given: a tag that takes more than returns, and a sub-event that must not be kept from them
        text = old_config(a=sql_event(tag="salt/job/", subs={"b": sql_event(tag=None, fun="f")}))

        # When
        _, eventsd, _ = convert_all(text)

        # Then
        assert eventsd["events"]["a"]["unless"] == {"data.minions": {"exists": True}}
        assert "unless" not in eventsd["events"]["a.subs.b"]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        pytest.param("text", "events.a: expected a mapping, got 'text'", id="not a mapping"),
        pytest.param({"backend": "X"}, "events.a.tag: missing", id="no tag"),
        pytest.param(sql_event(tag="salt/("), "events.a.tag: no regular expression", id="a tag that is none"),
        pytest.param({"tag": "a"}, "events.a.backend: missing", id="no backend"),
        pytest.param(sql_event(prio="high"), "events.a.prio: expected a number", id="prio in words"),
        pytest.param({"tag": "a", "backend": 5}, "events.a.backend: missing", id="a backend that is no name"),
        pytest.param({"tag": "a", "backend": "Stat_Worker"}, "events.a.backend: Stat_Worker", id="stats"),
        pytest.param(
            sql_event(template="insert into {0} values ('{9}')"), "events.a.template: {9} is beyond", id="{9}"
        ),
        pytest.param(sql_event(fields=None), "events.a.template: {1} is beyond the fields", id="no fields"),
        pytest.param(sql_event(fields="jid"), "events.a.fields: expected a list", id="fields that are no list"),
        pytest.param(sql_event(mysql_tab="worker"), "events.a.mysql_tab: worker means", id="a table chosen by code"),
        pytest.param(
            sql_event(backend="Minion_Sub_Worker", template=None), "events.a.template: missing", id="no template"
        ),
        pytest.param(sql_event(subs=["b"]), "events.a.subs: expected a mapping", id="subs that are none"),
        pytest.param(sql_event(subs={"b": 5}), "events.a.subs.b: expected a mapping", id="a sub that is none"),
        pytest.param(sql_event(subs={"b": sql_event(tag="")}), "events.a.subs.b.fun: missing", id="an aimless sub"),
        pytest.param(
            sql_event(subs={"b": sql_event(fun="(")}), "events.a.subs.b.fun: no regular expression", id="a sub's fun"
        ),
        pytest.param(
            sql_event(subs={"b": sql_event(fun="f", subs={"c": {}})}), "events.a.subs.b.subs: 0.9.3", id="subs of subs"
        ),
    ],
)
def test_an_event_that_cannot_be_converted_is_named_and_harms_no_other(event: Any, line: str) -> None:
    # When
    converted, eventsd, _ = convert_all(old_config(a=event, good=sql_event()))

    # Then
    [lost] = converted.lost
    assert lost.startswith(line)
    assert f"# - {line}"[:60] in converted.text
    assert "good" in eventsd["events"]


@pytest.mark.parametrize(
    ("general", "line"),
    [
        pytest.param({"event_limit": 0}, "general.event_limit: expected a number above 0, got 0", id="limit 0"),
        pytest.param({"event_limit": "many"}, "general.event_limit: expected a number above 0", id="limit in words"),
        pytest.param(
            {"dump_timer": 0}, "general.dump_timer: expected a number above 0 and up to 86400, got 0", id="timer 0"
        ),
        pytest.param(
            {"dump_timer": -3},
            "general.dump_timer: expected a number above 0 and up to 86400, got -3",
            id="timer below 0",
        ),
        pytest.param({"max_workers": True}, "general.max_workers: expected a number above 0", id="threads true"),
        pytest.param({"max_workers": [1]}, "general.max_workers: expected a number above 0", id="threads a list"),
        pytest.param({"state_timer": 1e9}, "general.state_timer: expected a number above 0", id="timer too long"),
        pytest.param({"colour": "red"}, "general.colour: not known", id="an unknown key"),
    ],
)
def test_a_general_setting_that_cannot_be_converted_is_named(general: dict[str, Any], line: str) -> None:
    # When
    converted, _, _ = convert_all(old_config(general=general, a=sql_event()))

    # Then
    [lost] = converted.lost
    assert lost.startswith(line)


@pytest.mark.parametrize(
    ("general", "batch"),
    [
        pytest.param({"event_limit": "100"}, {"events": 100}, id="a number as text"),
        pytest.param({"dump_timer": 0.5}, {"seconds": 0.5}, id="less than a second"),
        pytest.param({"event_limit": 200000}, {"events": 200000}, id="many"),
        pytest.param({"event_limit": 7.9, "dump_timer": 3}, {"events": 7, "seconds": 3}, id="both"),
    ],
)
def test_batches_are_as_large_and_as_old_as_dumps(general: dict[str, Any], batch: dict[str, Any]) -> None:
    # When
    _, eventsd, _ = convert_all(old_config(general=general, a=sql_event()))

    # Then
    assert eventsd["defaults"]["batch"] == batch


@pytest.mark.parametrize(
    ("prio", "expected"),
    [
        pytest.param(1, 1, id="1"),
        pytest.param("2", 1, id="as text"),
        pytest.param(True, 1, id="true"),
        pytest.param(0, None, id="0"),
        pytest.param(None, None, id="empty"),
    ],
)
def test_an_urgent_event_stays_urgent(prio: Any, expected: int | None) -> None:
    # When
    _, eventsd, _ = convert_all(old_config(a=sql_event(prio=prio)))

    # Then
    assert eventsd["events"]["a"].get("prio") == expected


def test_a_minions_config_says_where_it_belongs() -> None:
    # When
    converted, _, _ = convert_all(old_config(general={"node": "minion"}, a=sql_event()))

    # Then
    assert any("/etc/salt/minion.d" in text for text in converted.choices)


def test_without_credentials_the_worker_says_what_is_missing() -> None:
    # When
    converted, eventsd, _ = convert_all(old_config(credentials={}, a=sql_event()))

    # Then
    assert eventsd["workers"] == {"mysql": {"module": "sql", "driver": "mysql"}}
    assert "fill in" in converted.text


def test_odd_credentials_are_named() -> None:
    # Given
    credentials = {"all": {"hostname": "h", "charset": "utf8", "port": "tcp"}}

    # When
    converted, _, _ = convert_all(old_config(credentials=credentials, a=sql_event()))

    # Then
    assert [text.split(": ")[0] for text in converted.lost] == [
        "worker_credentials.all.charset",
        "worker_credentials.all.port",
    ]


def test_a_config_without_events_says_what_happens_then() -> None:
    # When
    converted, eventsd, config = convert_all("general: {dump_timer: 5}")

    # Then
    assert "events" not in eventsd
    assert any("SQLite" in text for text in converted.choices)
    assert list(config.workers) == ["history"]


def test_names_that_would_break_out_of_a_comment_stay_in_it() -> None:
    # Given
    name = "a\n  evil: 1\u2028\rworse: 2"

    # When
    converted, eventsd, _ = convert_all(old_config(**{name: 5, "good": sql_event(dict_name=name)}))

    # Then
    assert set(eventsd) == {"defaults", "workers", "events"}
    assert list(eventsd["events"]) == ["good"]
    assert len(converted.lost) == 1


@pytest.mark.parametrize("text", [pytest.param(HISTORY, id="history"), pytest.param(SUBS, id="subs")])
def test_what_statements_change_is_said(text: str) -> None:
    # When
    converted, _, _ = convert_all(text)

    # Then
    assert any("UTC" in choice for choice in converted.choices)
    assert any("eventsd.dead" in choice for choice in converted.choices)
