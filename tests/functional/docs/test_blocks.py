"""Each block of the documentation is run as it stands there, or stands in a list that says why not."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import salt.utils.args
import sqlalchemy as sa
import yaml

from tests.support.doc_place import DocumentedMaster
from tests.support.docs import DOCUMENTS, ROOT, Block, all_blocks
from tests.support.servers import Server
from tests.support.stores import Database

_ALL = (
    *DOCUMENTS,
    ROOT / "CONTRIBUTING.rst",
    ROOT / "eventsd" / "README.rst",
    *sorted((ROOT / "examples").rglob("*.rst")),
)
#: Commands that are not run: the beginning of the command -> why.
NOT_RUN = {
    "make ": "these run all tests and more; .ci/run runs the targets",
    "salt-pip install": "tests/functional/formula/test_package.py installs wheels and folders with Salt's pip",
    "pip install '.[nats]'": "tests/functional/formula/test_package.py installs folders with extras",
    "salt-eventsd-writer ": "it needs a broker; tests/functional/writer runs writers",
    "python3 -m pip wheel": "tests/functional/formula/test_package.py makes and installs wheels",
    "systemctl enable": "there is no systemd; tests/faults/test_central.py starts writers",
    "systemctl disable": "there is no systemd; the writers' tests end them with the same signal",
    "curl -s": "pages of a NATS server",
    "python examples/central/run.py": "tests/integration/test_central_example.py runs it",
    "systemctl restart": "there is no systemd; the integration tests start masters with such configurations",
    "salt '*'": "there is no minion; the integration tests have some",
    "salt master.example.com state.apply eventsd": "tests/integration/test_formula.py applies the formula",
    "git clone": "a source package is no clone; the formula's tests run from such a folder",
    "salt-run saltutil.sync": "Salt's own",
    "salt-run state.orchestrate": "tests/functional/docs/test_report_example.py mails such a report",
    "salt-run eventsd.tap": "it listens to a bus; tests/integration/test_rules.py taps one",
    "salt-run eventsd.import_jobs source=pgjsonb": "tests/functional/operate/test_import_returner.py has one",
    "salt-run eventsd.schema partition": "SQLite has no partitions; tests/functional/database/test_partitions.py",
    "chown ": "only root may",
    "install ": "the group is an example",
    "touch /srv/history": "it needs the folder of the line above",
    "chmod 660 /srv/history": "it needs the folder of the line above",
    "vi ": "an editor",
    "createuser --pwprompt": "it asks for a password",
    "createdb --owner": "it needs the user of the line above",
    "mariadb ": "the tests' servers are reached by other options; test_examples.py loads these files",
    "redis-cli get": "tests/functional/backends/test_example_redis.py asks the same",
    "cp eventsd": "examples/: test_examples.py and others read these files where they are",
    "chmod 600 /etc/salt/master.d/eventsd.conf": "examples/: the file of the line above",
    "cp schedule.conf": "examples/: test_report_example.py reads it where it is",
    "cp report_by_mail.sls": "examples/: test_report_example.py reads it where it is",
}
#: Blocks that are no commands: the beginning of the block -> why it is not run.
SHOWN = {
    "eventsd is DEGRADED": "tests/unit/operate/test_status_page.py makes such a page",
    "reader       listen": "a table of threads",
    '{"format":"salt-eventsd archive"': "tests/functional/database/test_archive.py reads such files",
    "insert into {0}": "the old daemon's; tests/functional/operate/test_convert.py converts it",
    "UPDATE returns SET": "tests/functional/operate/test_convert.py runs it",
    "ok      making a worker": "what a command prints; tests/functional/workers/test_conformance.py",
    "log_granular_levels": "Salt's own configuration",
    "schedule:": "Salt's own configuration; tests/functional/docs/test_report_example.py has one",
    "import pytest": "tests/functional/workers/test_contract.py is such a test",
    "from salt_eventsd.exceptions import Transient": "tests/functional/workers/test_conformance.py runs it",
    "import json": "tests/functional/workers/test_conformance.py runs it",
    "fileserver_backend:": "Salt's own configuration, with an example of an address",
}
#: What the return code may be where it is not 0: there is no bus here, so the engine is degraded, as it should be.
_CODES = {"status": {1}, "top": {1}, "check": {0, 1}}
#: What is run by a shell, in a folder of its own; anything else that is not listed fails.
_BY_SHELL = (
    "printf ",
    "sqlite3 ",
    "cp -r grafana/",
    "cp grafana/provisioning/",
    "python -m salt_eventsd.",
    "/opt/saltstack/salt/bin/python3 -m salt_eventsd.",
)
_BEGINS = ("salt-run ", "sqlite3 ", "chown ", "install ", "touch ", "chmod ")
_BLOCKS = [block for document in _ALL for block in all_blocks(document)]


def _commands(block: Block) -> list[str]:
    """The commands of a block; none if it is no such block."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        return [line[2:] for line in lines if line[:2] in ("# ", "$ ")]
    bare = [line.removeprefix("# ") for line in lines if line != "..."]
    return bare if block.language in ("", "text") and all(line.startswith(_BEGINS) for line in bare) else []


def _is_run(command: str) -> bool:
    return command.startswith(("salt-run ", *_BY_SHELL)) and not command.startswith(tuple(NOT_RUN))


def _runs() -> list[Any]:
    """A case for each block with commands, which are run one after the other."""
    cases = [(block, [one for one in _commands(block) if _is_run(one)]) for block in _BLOCKS]
    return [pytest.param(commands, id=block.name) for block, commands in cases if commands]


def _of(language: str, *beginnings: str) -> list[Any]:
    return [
        pytest.param(block.text, id=block.name)
        for block in _BLOCKS
        if block.language == language and block.text.startswith(beginnings)
    ]


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentedMaster]:
    """A master whose engine runs."""
    with DocumentedMaster(tmp_path_factory.mktemp("master")).running() as made:
        yield made


@pytest.mark.parametrize("commands", _runs())
def test_a_command_does_what_it_says(
    commands: list[str], master: DocumentedMaster, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in commands:
        # When
        here = master.here(command)
        if command.startswith("salt-run"):
            words = shlex.split(here.replace("NAME", "returns.subs.raid"), comments=True)[1:]
            verb, *rest = [word for word in words if not word.startswith("--")]
            arguments, named = salt.utils.args.parse_input(rest, condition=False)
            answer, code = master.run(verb, arguments, named)
            # Then
            assert code in _CODES.get(verb.partition(".")[2], {0}), (command, answer)
        else:
            done = _in_shell(here, master.home)
            assert done.returncode == 0, (command, done.stdout, done.stderr)


def _in_shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = re.sub(r"^(?:\S*/)?python3? ", f"{shlex.quote(sys.executable)} ", command)
    command = command.replace("cp -r grafana/", f"cp -r {ROOT}/grafana/").replace("cp grafana/", f"cp {ROOT}/grafana/")
    for path in re.findall(rf"{re.escape(str(folder))}[^\s'\"]+", command):
        (Path(path) if path.endswith("/") else Path(path).parent).mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


#: test_readme.py asks those of the README, and knows the answers.
_QUERIES = [one for one in _of("sql", "SELECT") if not str(one.id).startswith("README")]


@pytest.mark.parametrize("query", _QUERIES)
def test_a_query_is_one_that_each_database_takes(query: str, tables: Database) -> None:
    engine = sa.create_engine(tables.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(query.replace("%", "%%") if engine.dialect.name != "sqlite" else query)


@pytest.mark.parametrize("grants", _of("text", "CREATE ROLE", "CREATE USER"))
def test_a_reader_may_read_and_no_more(grants: str, request: pytest.FixtureRequest) -> None:
    # Given
    kind = "postgresql" if "ROLE" in grants else "mariadb"
    server: Server = request.getfixturevalue(kind)
    database = Database(server.new_database())
    database.make_tables()
    name = str(sa.make_url(database.url).database)
    statements = [one.strip() for one in grants.replace("DATABASE salt", f"DATABASE {name}").split(";") if one.strip()]
    statements = [one.replace("salt.*", f"{name}.*") for one in statements]

    # When
    server.execute(*statements, database=name)

    # Then
    url = sa.make_url(database.url).set(username="reader", password="secret")
    try:
        with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
            assert connection.scalar(sa.text("SELECT COUNT(*) FROM eventsd_v_failures")) == 0
            with pytest.raises(sa.exc.DBAPIError, match=r"denied"):
                connection.execute(sa.text("DELETE FROM eventsd_returns"))
    finally:
        database.close()
        server.execute("DROP OWNED BY reader" if kind == "postgresql" else "DROP USER reader", database=name)
        if kind == "postgresql":
            server.execute("DROP ROLE reader", database=name)


@pytest.mark.parametrize("config", _of("text", "# prometheus.yml"))
def test_prometheus_takes_its_configuration(config: str, tmp_path: Path, program: Callable[[str, str], str]) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(config, encoding="utf-8")
    command = [program("promtool", "no configuration of it was checked"), "check", "config", "--syntax-only", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_formula_names_its_keys_and_defaults() -> None:
    # Given
    [block] = [one for one in _BLOCKS if one.document == "eventsd/README.rst" and one.text.startswith("eventsd:")]

    # Then
    shown = yaml.safe_load(block.text)["eventsd"]["lookup"]
    defaults = yaml.safe_load((ROOT / "eventsd" / "defaults.yaml").read_text(encoding="utf-8"))
    assert {"package", "config", "service", "clean", "database"} <= shown.keys()
    assert shown == {key: defaults[key] for key in shown}


def _is_known(block: Block) -> bool:
    """Whether a block is run by a test, or is in a list; each of its commands, if it has any."""
    if commands := _commands(block):
        return all(one.startswith(("salt-run ", *_BY_SHELL, *NOT_RUN)) for one in commands)
    document = ROOT / block.document
    by_others = (document in DOCUMENTS and block.language == "yaml") or block.language == "sql"
    here = block.language == "text" and block.text.startswith(("# prometheus.yml", "CREATE ROLE", "CREATE USER"))
    formula = block.document == "eventsd/README.rst" and block.text.startswith("eventsd:")
    return by_others or here or formula or block.text.startswith(tuple(SHOWN))


def test_no_block_is_forgotten() -> None:
    assert [block.name for block in _BLOCKS if not _is_known(block)] == []


def test_the_lists_name_what_is_there() -> None:
    commands = [one for block in _BLOCKS for one in _commands(block)]
    texts = [block.text for block in _BLOCKS]
    assert [one for one in NOT_RUN if not any(command.startswith(one) for command in commands)] == []
    assert [one for one in SHOWN if not any(text.startswith(one) for text in texts)] == []
    assert len(_runs()) > 25
