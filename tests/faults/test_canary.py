"""A secret in a payload, and the database's password, are in no file and no table."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults.conftest import StartRig
from tests.support.kinds import POSTGRESQL, SQLITE
from tests.support.salt import wait_until
from tests.support.server import PASSWORD
from tests.support.targets import Target

CANARY = "c4n4ryInAGoldMine"
#: Each in a place in which Salt puts secrets.
FIELDS = [
    {"return": {"password": CANARY}},
    {"return": {"deep": [{"Db_Password": CANARY}]}},
    {"return": f"created with password={CANARY} on port 5432"},
    {"return": {"comment": f'--token "{CANARY} and more"'.replace('--token "', 'token: "')}},
    {"fun_args": [f"password={CANARY}", {"__kwarg__": True, "passwd": CANARY}]},
    {"fun_args": [f'{{"secret": "{CANARY}"}}']},
    {"arg": [f"mysql-password='{CANARY}'"]},
    {"kwargs": {"private_key": [CANARY, {"x": CANARY}]}},
    {"return": {b"PASSWORD": CANARY.encode()}},
    {"out": "highstate", "fun": "state.apply", "return": {"a_|-b_|-c_|-d": {"changes": {"token": CANARY}}}},
    {"fun": "state.apply", "return": {f"cmd_|-x_|-x --password={CANARY}_|-run": {"name": f"x --password={CANARY}"}}},
    {"fun": "state.apply", "return": [f"Rendering SLS failed: password: {CANARY}\nuser: bob"]},
    {"fun_args": ["mysql", "--password", CANARY]},
    {"fun_args": [f"mysql --password {CANARY} -e x"]},
    {"fun_args": [[["user", "bob"], ["password", CANARY]]]},
    {"fun_args": [{"env": [{"name": "DB_PASSWORD", "value": CANARY}]}]},
    {"fun_args": [f"https://bob:{CANARY}@git.example.com/x.git"]},
    {"fun_args": [f"CREATE USER bob IDENTIFIED BY '{CANARY}'"]},
    {"return": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----"},
    {"return": {"AWS_SECRET_ACCESS_KEY": CANARY, "dbPassword": CANARY, "privateKey": CANARY}},
    {"return": {f"password={CANARY}": CANARY[:2]}},
    {"user": f"sudo_bob password={CANARY}"},
    {"comment": f"token={CANARY}", "__unknown__": {"secret": CANARY}},
    {"retcode": {"password": CANARY}, "success": f"token={CANARY}"},
    {"fun": "vault.read_secret", "return": {"x": CANARY}, "fun_args": [CANARY]},
    {"fun": ["test.ping", "vault.read_secret"], "return": {"test.ping": True, "vault.read_secret": CANARY}},
]
#: Other events: a job's start with each of its fields, and what people fire themselves.
EVENTS = [
    (
        "salt/job/{jid}/new",
        {"fun": "x.y", "arg": [{"__kwarg__": True, "password": CANARY}], "kwargs": {"token": CANARY}},
    ),
    ("salt/job/{jid}1/new", {"fun": "x.y", "tgt": f"password={CANARY}", "tgt_type": f"token={CANARY}", "user": "bob"}),
    (
        "salt/job/{jid}2/new",
        {"fun": f"x.y token={CANARY}", "minions": [f"secret={CANARY}"], "metadata": {"secret": CANARY}},
    ),
    (
        "salt/run/{jid}/ret",
        {"fun": "runner.x", "fun_args": [f"passwd={CANARY}"], "return": {"data": {"token": CANARY}}},
    ),
    ("salt/job/{jid}/prog/m/0", {"data": {"ret": {"changes": {"password": CANARY}, "name": f"x --token {CANARY}"}}}),
    ("company/deploy", {"data": {"deep": [[[{"Password": [CANARY, CANARY]}]]]}}),
    ("company/text", {"data": f'{{"a": "{{\\"password\\": \\"{CANARY}\\"}}"}}'}),
]


@pytest.mark.parametrize("target", [SQLITE, POSTGRESQL], indirect=True)
def test_a_secret_is_nowhere(target: Target, start_rig: StartRig, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setenv("EVENTSD_LOG", "DEBUG")
    rig = start_rig(
        target,
        workers={"history": target.worker(batch={"seconds": 1.5})},
        events={"kind": {"tag": "(?s)."}, "all": {"tag": "(?s).", "into": "events"}},
        redact={"functions": {"vault.*": "both"}},
    )
    stream = rig.stream()
    target.execute("ALTER TABLE eventsd_returns RENAME TO eventsd_elsewhere")

    # When
    for fields in FIELDS:
        stream.burst(1, **fields)
    with rig.connect() as bus:
        for tag, data in EVENTS:
            bus.fire(tag.format(jid="20260102030405678901"), data)
        bus.fire_raw(b"company/broken\n\n\xc1 password=" + CANARY.encode())
    wait_until(lambda: rig.engine.worker()["state"] == "held", "worker that is held")
    waiting = _files(rig.engine.folder)
    target.execute("ALTER TABLE eventsd_elsewhere RENAME TO eventsd_returns")
    rig.lives(40)
    written = _files(rig.engine.folder)

    # Then
    assert rig.conserved(stream) == 0
    tables = _tables(target)
    for name, content in [*waiting.items(), *written.items(), *tables.items()]:
        assert CANARY.encode() not in content, content[max(0, content.index(CANARY.encode()) - 300) :][:400]
        assert name == "engine.json" or PASSWORD.encode() not in content, name
    assert b"***" in waiting["spool/spool.db-wal"]
    assert rig.history.count("eventsd_events") >= len(FIELDS) + len(EVENTS) + 1
    assert rig.history.count("eventsd_jobs") >= 3
    assert b"DEBUG" in written["engine.log"]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _tables(target: Target) -> dict[str, bytes]:
    engine = sa.create_engine(target.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return {
            name: repr(connection.exec_driver_sql(f"SELECT * FROM {name}").fetchall()).encode()
            for name in sa.inspect(connection).get_table_names()
        }
