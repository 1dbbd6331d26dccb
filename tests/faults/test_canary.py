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
]


@pytest.mark.parametrize("target", [SQLITE, POSTGRESQL], indirect=True)
def test_a_secret_is_nowhere(target: Target, start_rig: StartRig, tmp_path: Path) -> None:
    # Given
    rig = start_rig(target, workers={"history": target.worker(batch={"seconds": 1.5})})
    stream = rig.stream()
    target.execute("ALTER TABLE eventsd_returns RENAME TO eventsd_elsewhere")

    # When
    for fields in FIELDS:
        stream.burst(1, **fields)
    wait_until(lambda: rig.engine.worker()["state"] == "held", "worker that is held")
    waiting = _files(rig.engine.folder)
    target.execute("ALTER TABLE eventsd_elsewhere RENAME TO eventsd_returns")
    rig.lives(30)
    written = _files(rig.engine.folder)

    # Then
    assert rig.conserved(stream) == 0
    for name, content in [*waiting.items(), *written.items(), *_tables(target).items()]:
        assert CANARY.encode() not in content, name
        assert name == "engine.json" or PASSWORD.encode() not in content, name
    assert b"***" in waiting["spool/spool.db-wal"]
    assert len(_tables(target)["eventsd_returns"]) > 100


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _tables(target: Target) -> dict[str, bytes]:
    engine = sa.create_engine(target.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return {
            name: repr(connection.exec_driver_sql(f"SELECT * FROM {name}").fetchall()).encode()
            for name in sa.inspect(connection).get_table_names()
        }
