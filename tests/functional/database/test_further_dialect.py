"""A further SQL dialect is one folder and one line: a copy of the package gets both, and keeps history in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# It is SQLite by another name. SQLAlchemy and alembic know no such database, so the folder brings their parts, too.
FOLDER = '''
"""A further dialect."""

from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from salt_eventsd.database.dialects.sqlite import SQLite, SQLiteSession


class Made(SQLiteDialect_pysqlite):
    name = "further"
    supports_statement_cache = True


class MadeImpl(SQLiteImpl):
    __dialect__ = "further"


class Session(SQLiteSession):
    drivers = {"further": "further", "short": "further"}


class Further(SQLite):
    name = "further"
    session = Session()


registry.register("further", __name__, "Made")
'''
SCRIPT = """
import sys

import salt_eventsd
from salt_eventsd.database.engines import make_engine, read_options
from salt_eventsd.database.migrate import HEAD
from salt_eventsd.database.store import Store
from tests.support.own import raid, to_table
from tests.support.stores import batch_of
from tests.support.events import job, numbered

assert salt_eventsd.__file__.startswith(sys.argv[1]), salt_eventsd.__file__
engine = make_engine(read_options({"driver": "short", "database": sys.argv[1] + "/history.db"}))
rule = to_table(columns={"server": "minion_id", "state": "data.return"}, upsert=["server"])
store = Store(engine, "master-1", rules=rule)
store.write(batch_of([job(), *numbered(20)]))
with engine.begin() as connection:
    connection.exec_driver_sql("CREATE TABLE raid_state (server VARCHAR(99) PRIMARY KEY, state TEXT)")
for _ in range(2):
    store.write(batch_of([raid("web1", 1), raid("web1", 2)], first=2, replay=True))
assert store.check() == f"reachable, tables of version {HEAD}", store.check()
with engine.connect() as connection:
    def rows(what):
        return [tuple(row) for row in connection.exec_driver_sql(what)]
    print(engine.dialect.name, rows("SELECT count(*) FROM eventsd_returns"), rows("SELECT * FROM raid_state"))
"""


@pytest.fixture
def extended(tmp_path: Path) -> Path:
    """A copy of the package with a further dialect."""
    shutil.copytree(ROOT / "salt_eventsd", tmp_path / "salt_eventsd", ignore=shutil.ignore_patterns("__pycache__"))
    dialects = tmp_path / "salt_eventsd" / "database" / "dialects"
    (dialects / "further").mkdir()
    (dialects / "further" / "__init__.py").write_text(FOLDER)
    registration = dialects / "__init__.py"
    before, line, after = registration.read_text().partition("KINDS: tuple[type[Dialect], ...] = (")
    registered = "from salt_eventsd.database.dialects.further import Further\n" + line + "Further, "
    registration.write_text(before + registered + after)
    return tmp_path


def test_a_further_dialect_is_a_folder_and_its_registration(extended: Path) -> None:
    # When
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(extended)],
        env={**os.environ, "PYTHONPATH": f"{extended}{os.pathsep}{ROOT}"},
        cwd=extended,
        capture_output=True,
        text=True,
    )

    # Then
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "further [(20,)] [('web1', '2')]"
