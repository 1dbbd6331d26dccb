"""
Keep the events of this master's bus in databases.

:depends: salt-eventsd (``salt-pip install salt-eventsd``)

With no options at all, jobs, returns and state results of minions, runners and wheels go into SQLite at
``<cachedir>/eventsd/history.db``:

.. code-block:: yaml

    engines:
      - eventsd

Everything there is to set, with its default or an example. Each module of workers has further keys of its own, which
``salt-run eventsd.workers`` lists:

.. code-block:: yaml

    engines:
      - eventsd
    eventsd:
      workers:                              # name -> where to write
        history:
          module: sql                       # a file in _eventsd_workers
          url: postgresql://salt:secret@db.example.com/salt
          batch: {events: 1000, bytes: 8MiB, seconds: 1}    # whichever comes first
          concurrency: 1                    # batches of this worker in flight at once
      defaults:                             # common to all workers that do not say otherwise
        timeout: 60
      events:                               # name -> what to take, and for whom
        jobs:
          tag: salt/(job|run|wheel)/[^/]+/new    # regular expression, matched at the start of the tag
          worker: history                   # one name or a list
          into: jobs                        # jobs, returns, states, events or minions
        returns:
          tag_glob: salt/job/*/ret/*        # instead of tag: the whole tag, as in a shell
          minion: [web*, db*]               # globs of minion ids
          where: {data.retcode: {not: 0}}   # fields, and what all of them must be
          unless: {data.test: true}         # events of which all of this is true are not taken
          ignore: [saltutil.find_job]       # functions (globs) never taken
          worker: history
          into: returns
          subs:                             # looked at only when the parent matched; the event goes to both
            deploys: {fun: 'state\\.', worker: history, into: events}    # regular expression on the function
            raid:
              fun_glob: raid.*              # instead of fun: the whole name
              table: raid_state             # instead of into: a table of your own ...
              columns: {server: minion_id, state: data.return}
              upsert: [server]              # a row with the same key is replaced
              missing: 'null'               # or refuse: what becomes of an event that lacks a field
            mail:
              fun: eximq\\.status
              statement: INSERT INTO mail (server, state) VALUES (:server, :state)    # ... or a statement
              fields: {server: minion_id, state: data.return}
        alarms: {tag: company/alarm/, worker: history, into: events, prio: 1}    # prio: written at once
      spool:
        dir: <cachedir>/eventsd/spool
        max_bytes: 1GiB
        when_full: drop_oldest              # or drop_newest
        commit_seconds: 0.1                 # at most so much is lost if the engine is killed
      redact:                               # besides what is always masked
        keys: [community]                   # names whose values are secret
        values: ['corp-[0-9a-f]{32}']       # regular expressions
        functions: {vault.*: return}        # glob on the function -> return, arguments, both or nothing
      ignore: [status.*, test.ping]         # functions that no rule takes
      forged: divert                        # or drop, take: events that a minion has fired with a tag of Salt's own
      peers: skip                           # or take: events that other masters of a cluster have copied to this one
      syndics: [syndic*]                    # whose prefix on a tag is believed; true for any, false for none
      repair: true                          # after a gap, bring what was missed from Salt's own job cache
      pillar: false                         # true or a minion id: that minion's pillar eventsd: is merged under this
      max_workers: 4                        # threads; at least one for each worker
      state_file: <cachedir>/eventsd/status.json
      state_timer: 5                        # seconds
      metrics:                              # for Prometheus; off unless given
        host: 127.0.0.1
        port: 9175
        minion_label: false                 # count functions by minion, too
        certfile: /etc/salt/pki/metrics.pem # with keyfile: over TLS
        keyfile: /etc/salt/pki/metrics.key
        client_cafile: /etc/salt/pki/monitoring-ca.pem    # who has no certificate of it gets no answer
      job_cache: {worker: history}          # whose database the history verbs are about

A mapping given under ``engines:`` is merged over ``eventsd:``. docs/configuration.rst says more of each key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from salt_eventsd.engine import process

    MISSING = ""
except ImportError as exc:
    MISSING = str(exc)

if TYPE_CHECKING:
    # Salt's loader puts these into the module.
    __opts__: dict[str, Any] = {}
    __salt__: Any = None

__virtualname__ = "eventsd"


def __virtual__() -> str | tuple[bool, str]:
    if MISSING:
        return False, f"salt-eventsd is not whole: {MISSING}; salt-pip install salt-eventsd"
    return __virtualname__


def start(**options: Any) -> None:
    """
    Run until the master ends.

    :param options: what stands under ``engines: [eventsd: {...}]``; merged over ``eventsd:`` of the master config.
    """
    process.run(
        __opts__,
        options,
        functions=_itself(__salt__),
        runners=_itself(globals().get("__runners__")),
    )


def _itself(packed: Any) -> Any:
    """Unpack what the loader packs: the package is empty in other threads, its content is not."""
    return packed.value() if hasattr(packed, "value") else packed
