"""What ``salt-run eventsd.status`` imports: little, for operators ask often, and monitoring more often."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[3]
#: What takes long to import, and says nothing of how an engine is.
HEAVY = {
    *("sqlalchemy", "alembic", "psycopg2", "re2", "regex", "requests", "salt_eventsd.redact", "salt_eventsd.dispatch"),
    *("salt_eventsd.database", "salt_eventsd.backends", "salt_eventsd.intake", "salt_eventsd.rules"),
    *("salt_eventsd.operate.check", "salt_eventsd.operate.convert", "salt_eventsd.operate.tap"),
}
SALT = {"salt.loader", "salt.config", "salt.minion", "salt.utils.event"}

#: As Salt's loader makes a module of the file, and calls a verb of it.
CALL = """
import importlib.util, json, sys
path, opts = sys.argv[1], json.loads(sys.argv[2])
for name in opts.pop("before"):
    importlib.import_module(name)
known = set(sys.modules)
spec = importlib.util.spec_from_file_location("runner", path)
runner = importlib.util.module_from_spec(spec)
runner.__opts__, runner.__context__ = opts, {}
spec.loader.exec_module(runner)
assert runner.__virtual__() == "eventsd"
if opts["verb"]:
    runner.status(detail=True)
print(json.dumps(sorted(set(sys.modules) - known)))
"""


def imported(*arguments: str) -> set[str]:
    """Return the modules a Python of its own says it has imported."""
    done = subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(json.loads(done.stdout))


def by_runner(tmp_path: Path, verb: str) -> set[str]:
    """Return what our runner imports in a ``salt-run`` for a verb; "" only loads it."""
    opts = {
        "verb": verb,
        # What salt-run has imported by then.
        "before": ["salt.minion", "salt.runner"],
        "cachedir": str(tmp_path),
        "conf_file": str(tmp_path / "master"),
        "eventsd": {
            "workers": {"history": {"url": "postgresql://salt:secret-word@db/salt"}},
            "events": {"returns": {"tag": r"salt/job/\d+/ret/", "worker": "history", "into": "returns"}},
        },
    }
    (tmp_path / "master").write_text("id: x\n")
    return imported(CALL, str(ROOT / "_runners" / "eventsd.py"), json.dumps(opts))


def among(found: Iterable[str], names: set[str]) -> set[str]:
    """Return those of some modules that are, or belong to, any of these."""
    return {one for one in found if any(one == name or one.startswith(f"{name}.") for name in names)}


def test_the_status_is_read_and_shown_without_what_takes_long() -> None:
    found = imported(
        "import json, sys, salt_eventsd.operate.status, salt_eventsd.operate.status_page\n"
        "print(json.dumps(list(sys.modules)))"
    )

    assert "salt_eventsd.operate.status_page" in found
    assert among(found, HEAVY | SALT) == set()


def test_whoever_asks_the_history_does_not_wait_for_what_looks_for_secrets() -> None:
    found = imported(
        "import json, sys, salt_eventsd.operate.history, salt_eventsd.operate.history_page\n"
        "print(json.dumps(list(sys.modules)))"
    )

    assert "salt_eventsd.database.questions.jobs" in found
    looking = {f"salt_eventsd.redact.{name}" for name in ("redactor", "text", "commands", "values", "structure")}
    assert among(found, {*looking, "alembic", "regex", "salt_eventsd.dispatch", "salt_eventsd.database.store"}) == set()


def test_whoever_asks_for_the_load_of_a_new_job_waits_for_no_database() -> None:
    found = imported(
        "import json, sys, tempfile, tests.support.job_cache\n"
        "from pathlib import Path\n"
        "with tempfile.TemporaryDirectory() as home:\n"
        "    cache = tests.support.job_cache.JobCache(tests.support.job_cache.master_opts(Path(home)))\n"
        "    jid = cache.prep_jid()\n"
        "    cache.save_load(jid, {'jid': jid, 'fun': 'test.ping'}, ['web1'])\n"
        "    before = set(sys.modules)\n"
        "    assert cache.get_load(jid)['Minions'] == ['web1']\n"
        "print(json.dumps(list(sys.modules)))"
    )

    assert "salt_eventsd.operate.job_cache.load" in found
    assert among(found, {"sqlalchemy", "alembic", "salt_eventsd.database"}) == set()


def test_the_verb_imports_the_configuration_and_the_status(tmp_path: Path) -> None:
    found = by_runner(tmp_path, "status")

    assert {"salt_eventsd.config.load", "salt_eventsd.operate.status"} <= found
    assert among(found, HEAVY) == set()


def test_other_commands_of_salt_pay_nothing(tmp_path: Path) -> None:
    assert among(by_runner(tmp_path, ""), {"salt_eventsd", "msgspec", *HEAVY}) <= {"salt_eventsd"}
