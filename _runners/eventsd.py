"""
Look at the eventsd engine of this master, and check its configuration.

:depends: salt-eventsd (``salt-pip install salt-eventsd``)

The return code of ``salt-run`` is 0 if all is well, 1 if something is degraded and 2 if the engine is down or its
configuration is wrong. The runner reads the same ``eventsd:`` block of the master config as the engine:

.. code-block:: yaml

    eventsd:
      state_file: <cachedir>/eventsd/status.json
      spool: {dir: <cachedir>/eventsd/spool}
"""

# Salt loads every runner for every salt-run, so each verb imports what it needs, and nobody else pays for it.
from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    # Salt's loader puts these into the module.
    __opts__: dict[str, Any] = {}
    __salt__: Any = None
    __context__: dict[str, Any] = {}

__virtualname__ = "eventsd"

#: Packages that the verbs import.
_NEEDED = ("salt_eventsd", "msgspec", "orjson", "re2", "regex", "sqlalchemy")


def __virtual__() -> str | tuple[bool, str]:
    if missing := ", ".join(name for name in _NEEDED if not importlib.util.find_spec(name)):
        return False, f"salt-eventsd is not whole: {missing} cannot be imported; salt-pip install salt-eventsd"
    return __virtualname__


def status(seen: bool = False, detail: bool = False) -> dict[str, Any]:
    """
    Tell whether the engine runs and since when, how the event bus is, what each worker has written, and what waits for
    it.

    Events that were lost, and gaps in which some may have been, make the engine degraded for a day, or until an
    operator has looked at them.

    :param seen: say that you have looked at them; what is lost from now on is told again.
    :param detail: show everything, as ``--out=json`` does.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.status
        salt-run eventsd.status detail=True
        salt-run eventsd.status --out=json
        salt-run eventsd.status seen=True
    """
    from salt_eventsd.config import load, sources
    from salt_eventsd.exceptions import ConfigError
    from salt_eventsd.operate.status import read_both

    problems = []
    try:
        path = load.load(__opts__).general.state_file
    except ConfigError as exc:
        path, problems = load.state_file(__opts__), exc.problems
    problems = [*problems, *sources.not_yaml(__opts__)]
    unasked = _look(path) if seen else []
    told, found = read_both(Path(path), problems)
    told = {**told, "notes": [*told["notes"], *unasked], "retcode": max(told["retcode"], len(unasked))}
    # A person at a terminal gets a page; everybody else gets data.
    if detail or not _is_asked_for("status") or __opts__.get("output"):
        return _answer(told)
    return _printed(_page(told, found), told["retcode"])


def top(seconds: float = 1, count: int | None = None) -> dict[str, Any] | str | None:
    """
    Show the engine live, until ctrl-C: what is wrong, the rates, the workers with their queues, and the busiest rules.

    Where there is no terminal, or with ``--out``, it is one look, as data.

    :param seconds: how long to wait before each look.
    :param count: end after so many looks.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.top
        salt-run eventsd.top seconds=5 --out=json
    """
    import sys

    import salt.utils.color

    from salt_eventsd.config.load import state_file
    from salt_eventsd.exceptions import EventsdError
    from salt_eventsd.operate import top
    from salt_eventsd.operate.tap import until_interrupted

    path = Path(state_file(__opts__))
    try:
        if not _is_asked_for("top") or __opts__.get("output") or not sys.stdout.isatty():
            *_, last = top.looks(path, seconds, count or 1)
            return _answer(top.as_data(last))
        with until_interrupted():
            top.live(path, seconds, count, salt.utils.color.get_colors(_has_colors()))
    except EventsdError as exc:
        return _told("top", {"problem": str(exc), "retcode": 2})
    return _shown("")


def check(config: str | None = None, replaces: str | None = None) -> dict[str, Any]:
    """
    Check the configuration: which files and which pillar it comes from, whether the engine is switched on and runs with
    it, and whether each worker's backend takes what it is going to be given. Whatever is tried is undone.

    :param config: a file on the master that is not in place yet: its ``engines`` and ``eventsd`` take the place of
        those of the master's configuration.
    :param replaces: the file of the master's configuration that ``config`` would replace; its keys are left out.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.check
        salt-run eventsd.check config=/root/eventsd.conf
        salt-run eventsd.check config=/root/eventsd.conf replaces=/etc/salt/master.d/eventsd.conf
    """
    from salt_eventsd.operate.check import check

    return _told("check", check(__opts__, __salt__, config=config, replaces=replaces))


def reload() -> dict[str, Any]:
    """
    Have the running engine read the master's configuration (and pillar) from disk, and go on with it. No event is lost:
    batches that are being written end with the old configuration. A wrong configuration is refused, with the reasons,
    and the running one stays. An engine that is idle because of a wrong configuration starts.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.reload
    """
    return _told("reload", _of_engine("reload"))


def flush(worker: str | None = None, seconds: float = 30) -> dict[str, Any]:
    """
    Have the engine write at once what waits, without waiting until a batch is full or for the time of the next try, and
    wait until that is written. Paused workers stay paused.

    The return code is 0 if all that waited has left the spool, and 1 if some still waits. What waits for paused workers
    does not count; they are named.

    :param worker: only what waits for this worker.
    :param seconds: how long to wait.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.flush
        salt-run eventsd.flush history seconds=5
    """
    from salt_eventsd.config.load import state_file
    from salt_eventsd.engine.control import socket_path
    from salt_eventsd.operate.flush import flush

    return _tried("flush", lambda: flush(socket_path(state_file(__opts__)), worker, seconds))


def pause(worker: str | None = None) -> dict[str, Any]:
    """
    Have a worker wait, while somebody works on its database. The batches that are being written end; none begins until
    :py:func:`resume`, also after a restart of the master. The worker's events wait in the spool, and other workers go
    on. :py:func:`status` says that it is paused, and is degraded.

    :param worker: its name.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.pause history
    """
    return _told("pause", _of_engine("pause", worker=worker))


def resume(worker: str | None = None) -> dict[str, Any]:
    """
    Have a paused worker go on, with what has waited for it.

    :param worker: its name.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.resume history
    """
    return _told("resume", _of_engine("resume", worker=worker))


def tap(
    tag: str | None = None,
    fun: str | None = None,
    minion: str | None = None,
    worker: str | None = None,
    rule: str | None = None,
    taken: bool | None = None,
    count: int | None = None,
    seconds: float | None = None,
    data: bool = False,
) -> dict[str, Any] | str | None:
    """
    Show events as they come, redacted, with the rules that take them, until ctrl-C.

    With ``--out=json`` each event is a line of JSON, with its data; the last line is ``null``. An orchestration or
    Salt's API gets the events as the result, and has to say ``count`` or ``seconds``.

    :param tag: only events whose tag fits this glob.
    :param fun: only events whose function fits this glob.
    :param minion: only events whose minion id fits this glob.
    :param worker: only events for a worker whose name fits this glob.
    :param rule: only events that a rule takes whose name fits this glob.
    :param taken: only events that a rule takes (True), or that no rule takes (False).
    :param count: end after so many events.
    :param seconds: end after so long.
    :param data: show the payload, too.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.tap
        salt-run eventsd.tap 'salt/job/*/ret/*' minion='web*' count=10
        salt-run eventsd.tap rule=returns seconds=60 --out=json
    """
    import salt.utils.json

    from salt_eventsd.config.load import load
    from salt_eventsd.exceptions import EventsdError
    from salt_eventsd.operate import tap as taps

    as_json = __opts__.get("output") == "json"
    is_shown = _is_asked_for("tap")
    which = taps.Filter(tag, fun, minion, worker, rule, taken)
    seen = []
    try:
        most, longest = taps.ends(count, seconds, is_needed=not is_shown)
        config = load(__opts__)
        with taps.until_interrupted():
            for one in taps.watch(config, __opts__, which, most, longest):
                if not is_shown:
                    seen.append(one if data else {key: value for key, value in one.items() if key != "data"})
                elif not taps.show(salt.utils.json.dumps(one) if as_json else taps.line(one, data)):
                    break
    except EventsdError as exc:
        return _told("tap", {"problem": str(exc), "retcode": 2})
    if not is_shown:
        return _answer({"events": seen, "retcode": 0})
    return _shown(None if as_json else "")


def convert(path: str = "/etc/salt/eventsd") -> dict[str, Any] | str | None:
    """
    Convert a configuration of salt-eventsd 0.9.3: print one of today that does the same, with a comment wherever there
    was a choice. What cannot be converted is named.

    :param path: the old configuration: a file, or a folder of them.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.convert path=/etc/salt/eventsd > /etc/salt/master.d/eventsd.conf
    """
    from salt_eventsd.exceptions import EventsdError
    from salt_eventsd.operate.convert import convert_path
    from salt_eventsd.operate.given import path_of
    from salt_eventsd.operate.tap import show

    try:
        text = convert_path(path_of("convert", "path", path))
    except EventsdError as exc:
        return _told("convert", {"problem": str(exc), "retcode": 2})
    # The text has passwords in it, and a result would go over the bus and into the job cache.
    if not _is_asked_for("convert"):
        return _answer({"problem": "it has passwords in it, and is printed by salt-run alone", "retcode": 2})
    show(text)
    return _shown("")


def test(path: str | None = None) -> dict[str, Any]:  # noqa: PT028 - a verb of the runner
    """
    Run tests of the rules: events, and where each is expected to go. They need no engine and no database. Where there
    is no master, ``python -m salt_eventsd.ruletest`` runs them.

    :param path: a YAML file of tests, or a folder of them; by default ``eventsd_tests`` or ``eventsd_tests.yaml``
        beside the master's configuration. docs/testing_rules.rst has the form.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.test
        salt-run eventsd.test path=/srv/salt/tests/eventsd.yaml
    """
    from salt_eventsd.config.load import load
    from salt_eventsd.exceptions import EventsdError
    from salt_eventsd.operate import ruletest
    from salt_eventsd.operate.given import path_of

    try:
        config = load(__opts__)
        tests = ruletest.read(ruletest.default_path(__opts__) if path is None else path_of("test", "path", path))
    except EventsdError as exc:
        return _told("test", {"problems": str(exc).splitlines(), "retcode": 2})
    return _answer(ruletest.run(config, tests, str(__opts__.get("id", "master"))))


def workers() -> dict[str, Any]:
    """
    List the worker modules there are, with the file and the configuration of each.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.workers
    """
    from salt_eventsd.exceptions import EventsdError
    from salt_eventsd.operate.check.modules import worker_modules

    try:
        return _answer({"workers": worker_modules(__opts__, __salt__), "retcode": 0})
    except EventsdError as exc:
        return _answer({"problem": str(exc), "retcode": 2})


def sync_workers(saltenv: str = "base") -> dict[str, Any]:
    """
    Copy the workers in ``salt://_eventsd_workers`` to the master. The engine does so itself when it starts; a running
    engine uses them after :py:func:`reload`.

    :param saltenv: the environment, or several joined with commas.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.sync_workers
    """
    from salt_eventsd.workers import sync

    return _answer({"synced": sync.sync_workers(__opts__, saltenv), "retcode": 0})


def dead(
    worker: str | None = None, contains: str | None = None, limit: int = 20, after: int | str = 0, by: str | None = None
) -> dict[str, Any]:
    """
    List dead letters: events that a backend refused because of what is in them, oldest first, each with the rule that
    took it and the table it was for. Of large ones, only the beginning of the data is shown. What writers have buried
    of events of this master's ``central`` workers, and of other masters', comes last, with ids such as ``history:17``.

    :param worker: only this worker's.
    :param contains: only those whose tag or error contains this text.
    :param limit: no more than so many, up to 1000.
    :param after: only those with a higher id; give the last id of one page to get the next.
    :param by: ``error`` puts together those of a worker and rule that were refused for one reason, and counts them.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.dead
        salt-run eventsd.dead by=error
        salt-run eventsd.dead worker=history contains='too long' limit=5
    """
    from salt_eventsd.operate.dead import everywhere

    asked = {"worker": worker, "contains": contains, "limit": limit, "after": after, "by": by}
    return _tried("dead", lambda: everywhere(__opts__, **asked))


def requeue(
    *ids: int | str, worker: str | None = None, contains: str | None = None, everything: bool = False
) -> dict[str, Any]:
    """
    Put dead letters back into their workers' queues, once the reason why the backend refused them is mended.

    :param ids: the ids that :py:func:`dead` shows; or give a filter, or ``everything=True``. Those of no dead letter
        are named under ``unknown``, and the return code is 1; the others are put back all the same.
    :param worker: only this worker's.
    :param contains: only those whose tag or error contains this text.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.requeue 17 18
        salt-run eventsd.requeue worker=history
    """
    from salt_eventsd.operate.letters import requeue

    return _act("requeue", requeue, ids, worker, contains, everything)


def discard(
    *ids: int | str, worker: str | None = None, contains: str | None = None, everything: bool = False
) -> dict[str, Any]:
    """
    Delete dead letters for good.

    :param ids: the ids that :py:func:`dead` shows; or give a filter, or ``everything=True``. Those of no dead letter
        are told as in :py:func:`requeue`.
    :param worker: only this worker's.
    :param contains: only those whose tag or error contains this text.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.discard 17 18
        salt-run eventsd.discard everything=True
    """
    from salt_eventsd.operate.letters import discard

    return _act("discard", discard, ids, worker, contains, everything)


def drop_orphaned(worker: str | None = None) -> dict[str, Any]:
    """
    Remove events that wait in the spool for workers and rules that are not configured; :py:func:`status` names them.
    Events for a configured worker are never removed. Dead letters stay: see :py:func:`discard`.

    :param worker: only events for this worker, or for its rules that are gone.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.drop_orphaned
        salt-run eventsd.drop_orphaned worker=graphs
    """
    from salt_eventsd.config.load import load
    from salt_eventsd.engine.control import orphans

    return _tried("drop_orphaned", lambda: orphans.drop(load(__opts__), worker))


def purge(worker: str | None = None, dry_run: bool = False) -> dict[str, Any]:
    """
    Delete what is older than ``keep`` of a sql worker says, in small steps, while others write. The engine does so
    itself each night.

    A job goes as a whole, with its returns and states, when each of them is old enough.

    :param worker: only this worker's database; else those of all sql workers.
    :param dry_run: count the rows that would go, by table and outcome, and delete nothing.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.purge dry_run=True
        salt-run eventsd.purge worker=history
    """
    from salt_eventsd.operate.purge import purge

    return _told("purge", purge(__opts__, worker, dry_run))


def archive(
    before: str | None = None,
    to: str | None = None,
    restore: str | None = None,
    worker: str | None = None,
    purge: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """
    Write what is older than a time into a compressed file: whole jobs with returns and states, and events. Or restore
    such a file into a history, where what is there already is not added again.

    :param before: what is older goes into the file: ``90d`` (so long ago) or ``2026-01-01``.
    :param to: the path of the file, which must not be there yet.
    :param restore: the path of a file to restore, without ``before`` and ``to``.
    :param worker: whose history; needed if there are several sql workers.
    :param purge: once the file is whole and on the disk, delete from the history what is in it.
    :param dry_run: count the rows, and do nothing.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.archive before=1y to=/srv/archive/2025.jsonl.zst purge=True
        salt-run eventsd.archive restore=/srv/archive/2025.jsonl.zst
    """
    from salt_eventsd.operate.archive import archive

    return _told("archive", archive(__opts__, before, to, restore, worker, purge, dry_run))


def forget(minion: str, worker: str | None = None, dry_run: bool = False) -> dict[str, Any]:
    """
    Forget a minion: delete its returns, states and events, and take its name out of jobs and of events of others. What
    commands returned on other minions, or to runners, is not looked into; tables of your own are not, either.

    :param minion: its id, whole.
    :param worker: only this worker's database; else those of all sql workers.
    :param dry_run: count the rows, and change nothing.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.forget minion=web1.example.com dry_run=True
        salt-run eventsd.forget minion=web1.example.com
    """
    from salt_eventsd.operate.purge import forget

    return _told("forget", forget(__opts__, minion, worker, dry_run))


def schema(
    action: str = "show",
    worker: str | None = None,
    to: str | None = None,
    by: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """
    Look after the tables of sql workers. docs/schema.rst has a move from SQLite to PostgreSQL, step by step.

    ``show``
        The version of the tables, what they take, and which indexes and views are missing.
    ``version``
        The version alone. The return code is 1 if the tables are of an older one, and 2 if they are of a newer one.
    ``upgrade``
        Make the tables, or bring them to this release's version. A running engine does so itself before it writes.
        There is no way back.
    ``copy``
        Copy all tables of one worker into the database of another one, while engines may write into both. Only what is
        not there is copied, so a copy that was stopped goes on, and one that is made again takes along what has come
        since. In the end it looks whether everything is there.
    ``partition``
        Turn the large tables into tables of partitions, each of a month or a day, which a purge drops as a whole.
        PostgreSQL makes the table that is there the first partition; MariaDB and MySQL write it anew.

    :param action: what to do.
    :param worker: only this worker's tables; for ``copy``, whose tables are copied.
    :param to: for ``copy``, the worker into whose database they are copied; for ``upgrade``, the version that is
        expected.
    :param by: for ``partition``, ``month`` or ``day``; otherwise what ``partitions`` of the worker says.
    :param dry_run: for ``copy``, count the rows, and copy nothing.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.schema show
        salt-run eventsd.schema version worker=history
        salt-run eventsd.schema upgrade
        salt-run eventsd.schema copy worker=history to=postgres dry_run=True
        salt-run eventsd.schema copy worker=history to=postgres
        salt-run eventsd.schema partition worker=history by=month
    """
    from salt_eventsd.operate.schema import schema

    arguments = {"worker": worker, "to": to, "by": by, "dry_run": dry_run}
    return _told("schema", schema(__opts__, action, arguments, _teller("schema")))


def import_jobs(
    source: str | None = None,
    since: str | None = None,
    until: str | None = None,
    worker: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """
    Import jobs and their returns from a job cache of Salt's, by the rules and without secrets, as if they had come over
    the bus. What the history has already is not written again, so an import may be run twice, or beside the engine; one
    that was cut off goes on where it was. docs/import.rst says more.

    :param source: ``local_cache`` or the name of any returner; else the master's job cache.
    :param since: only jobs that began then or later: ``90m``, ``7d`` (so long ago), ``2026-11-26`` (UTC).
    :param until: only jobs that began before.
    :param worker: into this worker's database; else that of ``job_cache``, or the first sql worker's.
    :param dry_run: count what would be imported, and write nothing.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.import_jobs dry_run=True
        salt-run eventsd.import_jobs since=7d
        salt-run eventsd.import_jobs source=pgjsonb worker=history
    """
    from salt_eventsd.operate.imports.run import import_jobs

    found = import_jobs(__opts__, source, since, until, worker, dry_run, _teller("import_jobs"))
    return _told("import_jobs", found)


def repair(
    since: str | None = None,
    until: str | None = None,
    source: str | None = None,
    worker: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """
    Bring into the history what came while nothing read the event bus, as far as a job cache of Salt's has kept it, and
    say for each gap what was found and what nobody can know. The engine does so by itself, if Salt keeps its jobs in
    files of its own (``local_cache``). Where our own returner is the master's job cache, the engine takes in all that
    came meanwhile, and this only says what has become of it.

    :param since: repair the time from then on; else all gaps that the engine has noted.
    :param until: the end of that time; else now.
    :param source: ``local_cache`` or the name of any returner; else the master's job cache.
    :param worker: into this worker's database; else that of ``job_cache``, or the first sql worker's.
    :param dry_run: count what would be brought, and write nothing.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.repair dry_run=True
        salt-run eventsd.repair
        salt-run eventsd.repair since="2026-11-26 14:00" until="2026-11-26 15:00"
    """
    from salt_eventsd.operate.imports.gaps import repair

    return _told("repair", repair(__opts__, since, until, source, worker, dry_run, _teller("repair")))


def views(worker: str | None = None, compat: str | None = None, schema: str | None = None) -> dict[str, Any]:
    """
    Make the views over the tables that are missing, as where the database's user had no right to make views when the
    tables were made. With ``compat=salt``, make the views ``jids``, ``salt_returns`` and ``salt_events`` instead, for
    programs that read the tables of Salt's own returners, such as Alcali.

    :param worker: only in this worker's database; else in those of all sql workers.
    :param compat: ``salt``.
    :param schema: with ``compat=salt``, an existing schema (PostgreSQL) or database (MariaDB) for the views alone,
        where their names are taken beside the tables.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.views
        salt-run eventsd.views compat=salt
        salt-run eventsd.views compat=salt worker=history schema=alcali
    """
    from salt_eventsd.operate.views import views

    return _told("views", views(__opts__, worker, compat, schema))


def replay(
    rule: str | None = None,
    since: str | None = None,
    until: str | None = None,
    worker: str | None = None,
    source: str | None = None,
    dry_run: bool = False,
    again: bool = False,
) -> dict[str, Any]:
    """
    Send what the history holds through one rule as it is today: into the table, the statement or the backend that the
    rule names. So a rule that is new has its past, too. Secrets are masked as they are today.

    What was replayed is noted. A replay that was stopped, or killed, goes on where it was, and one that is made again
    writes nothing twice into a SQL database. docs/replay.rst has more.

    :param rule: the rule's whole name; that of a sub-event is ``returns.subs.raid``.
    :param since: from this time on, as in :py:func:`jobs`; ``all`` for the whole history.
    :param until: before this time. By default it is when the engine got the rule, where the engine's rows would be
        there twice; otherwise now.
    :param worker: only to this worker of the rule.
    :param source: whose history is read; by default that which the questions ask.
    :param dry_run: count, and write nothing.
    :param again: also what was replayed before.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.replay rule=returns.subs.raid since=90d dry_run=True
        salt-run eventsd.replay rule=returns.subs.raid since=90d
        salt-run eventsd.replay rule=alarms since=all worker=graphs
    """
    from salt_eventsd.operate.replay import replay

    arguments = {
        "rule": rule,
        "since": since,
        "until": until,
        "worker": worker,
        "source": source,
        "dry_run": dry_run,
        "again": again,
    }
    return _told("replay", replay(__opts__, arguments, _teller("replay"), __salt__))


def jobs(
    fun: str | None = None,
    user: str | None = None,
    minion: str | None = None,
    target: str | None = None,
    since: str | None = None,
    until: str | None = None,
    outcome: str | None = None,
    kind: str | None = None,
    limit: int = 50,
    before: str | None = None,
    worker: str | None = None,
) -> Any:
    """
    List jobs, the newest first: who ran what where, how many answered, and how it went.

    Names may be globs. A time is ``90m``, ``7d`` (so long ago), ``2026-11-26``, ``"2026-11-26 14:00"`` (UTC) or
    ``"last friday 14:00"``. docs/history.rst has all the questions, and what each field means.

    :param fun: only jobs with such a function.
    :param user: only jobs of such a user.
    :param minion: only jobs for such a minion.
    :param target: only jobs whose target was given so.
    :param since: not before this time.
    :param until: before this time.
    :param outcome: ``succeeded``, ``failed``, ``missing`` (somebody did not answer) or ``nobody`` (was asked).
    :param kind: ``job``, ``runner``, ``wheel``, ``call`` (salt-call) or ``schedule``.
    :param limit: no more than so many.
    :param before: the jid of the last job of a page, to get the next one.
    :param worker: whose database is asked; by default that of ``job_cache``, or the first sql worker's.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.jobs
        salt-run eventsd.jobs fun='state.*' since=7d outcome=failed
        salt-run eventsd.jobs user='sudo_*' limit=100 before=20261126140000123456 --out=json
    """
    return _ask(
        "jobs",
        worker,
        fun=fun,
        user=user,
        minion=minion,
        target=target,
        since=since,
        until=until,
        outcome=outcome,
        kind=kind,
        limit=limit,
        before=before,
    )


def job(jid: int | str, worker: str | None = None) -> Any:
    """
    Show all about a job: whom it was for, who answered and how, who did not, which states failed, and how long it took.
    Of an orchestration, the jobs that it started.

    :param jid: the job's id.
    :param worker: as in :py:func:`jobs`.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.job 20261126140000123456
    """
    return _ask("job", worker, jid=jid)


def returns(
    jid: int | str | None = None,
    minion: str | None = None,
    fun: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 50,
    before: int | None = None,
    worker: str | None = None,
) -> Any:
    """
    List returns with what was returned, the newest first.

    :param jid: only of this job.
    :param minion: only of such minions.
    :param fun: only of such functions.
    :param since: not before this time.
    :param until: before this time.
    :param limit: no more than so many.
    :param before: the ``id`` of the last return of a page, to get the next one.
    :param worker: as in :py:func:`jobs`.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.returns 20261126140000123456
        salt-run eventsd.returns minion='web*' fun=pkg.install since=30d
    """
    return _ask(
        "returns", worker, jid=jid, minion=minion, fun=fun, since=since, until=until, limit=limit, before=before
    )


def failures(
    minion: str | None = None,
    fun: str | None = None,
    state: str | None = None,
    sls: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 50,
    before: int | None = None,
    worker: str | None = None,
) -> Any:
    """
    List answers that failed, the newest first, each with the states that failed in it. A minion that did not answer is
    not among them: see :py:func:`missing`.

    :param minion: only of such minions.
    :param fun: only of such functions.
    :param state: only where such a state failed, by its module (``pkg``), function (``pkg.installed``), id or name.
    :param sls: only where a state of such a file failed.
    :param since: not before this time.
    :param until: before this time.
    :param limit: no more than so many.
    :param before: the ``id`` of the last return of a page, to get the next one.
    :param worker: as in :py:func:`jobs`.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.failures since=1d
        salt-run eventsd.failures state=pkg.installed minion='db*'
    """
    return _ask(
        "failures",
        worker,
        minion=minion,
        fun=fun,
        state=state,
        sls=sls,
        since=since,
        until=until,
        limit=limit,
        before=before,
    )


def missing(
    jid: int | str | None = None, since: str | None = None, limit: int = 1000, worker: str | None = None
) -> Any:
    """
    List the minions that were asked and did not answer, the newest job first.

    :param jid: only of this job.
    :param since: not before this time; by default a day ago, unless there is a jid.
    :param limit: no more than so many.
    :param worker: as in :py:func:`jobs`.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.missing 20261126140000123456
        salt-run eventsd.missing since=2h
    """
    start = since or (None if jid is not None else "1d")
    return _ask("missing", worker, jid=jid, since=start, limit=limit)


def minion(id: str, limit: int = 20, worker: str | None = None) -> Any:  # noqa: A002 - the name Salt has for it
    """
    Show what is known of a minion: when it was seen, how it is, its last returns, and its last run of states.

    :param id: the minion's.
    :param limit: no more returns than so many.
    :param worker: as in :py:func:`jobs`.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.minion web1.example.com
    """
    return _ask("minion", worker, minion=id, limit=limit)


def changes(
    minion: str | None = None,
    state: str | None = None,
    name: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 50,
    worker: str | None = None,
) -> Any:
    """
    List what states changed on minions, the newest first, and who ran them. Test runs are not among them.

    :param minion: only on such minions.
    :param state: only such states, by their module (``file``), function (``file.managed``), id or name.
    :param name: only states of such a name or id, such as ``/etc/ntp.conf``.
    :param since: not before this time.
    :param until: before this time.
    :param limit: no more than so many.
    :param worker: as in :py:func:`jobs`.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.changes name=/etc/ntp.conf
        salt-run eventsd.changes minion='web*' since="last friday 14:00"
    """
    return _ask("changes", worker, minion=minion, state=state, name=name, since=since, until=until, limit=limit)


def conformity(minion: str | None = None, at: str | None = None, stale: str = "7d", worker: str | None = None) -> Any:
    """
    Tell of each minion how its last run of states went: ``healthy``, ``changed``, ``failed``, ``stale`` (too long ago)
    or ``never``. Test runs do not count.

    :param minion: only such minions.
    :param at: as it was at this time.
    :param stale: how long ago is too long.
    :param worker: as in :py:func:`jobs`.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.conformity
        salt-run eventsd.conformity minion='db*' at="2026-11-01 12:00"
    """
    return _ask("conformity", worker, minion=minion, at=at, stale=stale)


def slow(since: str | None = "1d", limit: int = 20, worker: str | None = None) -> Any:
    """
    List the states and the returns that took longest, the slowest first.

    :param since: not before this time.
    :param limit: no more than so many.
    :param worker: as in :py:func:`jobs`.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.slow
        salt-run eventsd.slow since=7d limit=100
    """
    return _ask("slow", worker, since=since, limit=limit)


def audit(
    user: str | None = None,
    fun: str | None = None,
    since: str | None = None,
    until: str | None = None,
    kind: str | None = None,
    limit: int = 50,
    before: str | None = None,
    worker: str | None = None,
) -> Any:
    """
    List who ran what, the newest first: jobs, runners and wheels.

    :param user: only such users.
    :param fun: only such functions; those of runners and wheels begin with ``runner.`` and ``wheel.``.
    :param since: not before this time.
    :param until: before this time.
    :param kind: as in :py:func:`jobs`.
    :param limit: no more than so many.
    :param before: the jid of the last job of a page, to get the next one.
    :param worker: as in :py:func:`jobs`.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.audit user=alice since=30d
        salt-run eventsd.audit fun='wheel.key.*'
    """
    return _ask("audit", worker, user=user, fun=fun, since=since, until=until, kind=kind, limit=limit, before=before)


def report(path: str, since: str = "7d", worker: str | None = None) -> dict[str, Any]:
    """
    Make an HTML page of the history: jobs over time, failures with their errors, the slowest states, how each minion
    is, who did not answer, who ran what, and how the engine is. It is one file, which loads nothing, and which its
    owner and group may read.

    :param path: the file, from the root on. Its folder has to be there. A report that is there is replaced, and no
        other file.
    :param since: the page is about the time from then on; as in :py:func:`jobs`.
    :param worker: as in :py:func:`jobs`.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.report path=/var/www/salt/report.html
        salt-run eventsd.report path=/root/november.html since=2026-11-01
    """
    from salt_eventsd.exceptions import EventsdError
    from salt_eventsd.operate.report.make import make

    is_person = _is_asked_for("report") and not __opts__.get("output")
    try:
        told = make(__opts__, path, since, worker)
        line = f"{told['report']}: {told['bytes']:,} bytes, of {told['since'][:19]} to {told['until'][:19]} UTC"
    except EventsdError as exc:
        line = "; ".join(str(exc).splitlines())
        told = {"problem": line, "retcode": 2}
    return _printed(line, told["retcode"]) if is_person else _answer(told)


def _ask(question: str, worker: str | None, **arguments: Any) -> Any:
    """Put a question to the history; a person at a terminal gets a table, everybody else gets data."""
    from salt_eventsd.exceptions import EventsdError
    from salt_eventsd.operate import history, history_page

    is_person = _is_asked_for(question) and not __opts__.get("output")
    try:
        found = history.ask(__opts__, question, worker, {**arguments, "own_jid": globals().get("__jid__")})
    except EventsdError as exc:
        problem = "; ".join(str(exc).splitlines())
        return _printed(problem, 2) if is_person else _answer({"problem": problem, "retcode": 2})
    if not is_person:
        __context__["retcode"] = 0
        return found
    # What goes into a file or to grep is not cut off so early.
    return _printed(history_page.page(question, found, _width(otherwise=400)), 0)


def _told(verb: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return what a verb has found; a person at a terminal gets it as facts and tables."""
    if not _is_asked_for(verb) or __opts__.get("output"):
        return _answer(found)
    from salt_eventsd.operate.answer_page import page

    return _printed(page(found, _width(otherwise=400)), found["retcode"])


def _tried(verb: str, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a verb finds, or why it cannot."""
    from salt_eventsd.exceptions import EventsdError

    try:
        return _told(verb, find())
    except EventsdError as exc:
        return _told(verb, {"problem": str(exc), "retcode": 2})


def _look(path: str) -> list[str]:
    """Tell the engine that an operator has looked; return why that was not possible, a line each."""
    from salt_eventsd.engine.control import ask, socket_path
    from salt_eventsd.exceptions import EventsdError

    try:
        ask(socket_path(path), "seen")
    except EventsdError as exc:
        return [str(exc)]
    return []


def _page(told: Any, found: Any) -> str:
    """Return the status as a person reads it, as wide as the terminal."""
    import salt.utils.color

    from salt_eventsd.operate.status_page import page

    return page(told, found, _width(), salt.utils.color.get_colors(_has_colors()))


def _act(
    verb: str,
    action: Callable[[dict[str, Any], Any], dict[str, Any]],
    ids: tuple[int | str, ...],
    worker: str | None,
    contains: str | None,
    everything: bool,
) -> dict[str, Any]:
    from salt_eventsd.operate.letters import chosen

    if not (ids or worker or contains or everything):
        return _told(verb, {"problem": "say which: ids, worker=, contains= or everything=True", "retcode": 2})
    return _tried(verb, lambda: action(__opts__, chosen(ids, worker, contains)))


def _teller(verb: str) -> Callable[[str], None]:
    """Return what tells a person how far a verb is; nobody else is told."""
    import sys

    from salt_eventsd.operate.progress import teller

    return teller(sys.stderr if _is_asked_for(verb) else None)


def _is_asked_for(verb: str) -> bool:
    """Say whether salt-run was called for this verb; in an orchestration or Salt's API, nobody sees what is printed."""
    return __opts__.get("fun") == f"eventsd.{verb}"


def _shown(rest: str | None) -> str | None:
    """End a verb that has printed its answer."""
    __context__["retcode"] = 0
    return rest


def _printed(text: Any, retcode: int) -> dict[str, Any]:
    """Have Salt print a text alone, and ``salt-run`` exit with a return code."""
    __context__["retcode"] = retcode
    # With a key `data` instead of `return`, Salt would judge it like the result of states.
    return {"return": text, "outputter": "highstate", "retcode": retcode}


def _width(otherwise: int = 100) -> int:
    """Return how wide the terminal is, or what is said where there is none."""
    import shutil

    return shutil.get_terminal_size((otherwise, 24)).columns


def _has_colors() -> bool:
    """Say whether Salt's own outputters would use colors."""
    import sys

    if __opts__.get("no_color") or __opts__.get("output_file"):
        return False
    return bool(__opts__.get("force_color")) or sys.stdout.isatty()


def _of_engine(verb: str, **details: Any) -> dict[str, Any]:
    from salt_eventsd.config.load import state_file
    from salt_eventsd.engine.control import ask, socket_path
    from salt_eventsd.exceptions import EventsdError

    try:
        return _answer(ask(socket_path(state_file(__opts__)), verb, **details))
    except EventsdError as exc:
        return _answer({"problem": str(exc), "retcode": 2})


def _answer(found: dict[str, Any]) -> dict[str, Any]:
    # salt-run exits with the retcode of what a runner returns; the context makes the job's own success agree.
    __context__["retcode"] = found["retcode"]
    return found
