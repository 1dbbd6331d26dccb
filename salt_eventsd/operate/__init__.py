"""
Operate: what operators and runners ask for. Each verb of ``salt-run eventsd.*`` has its file or folder here; the runner
itself (``_runners/eventsd.py``) holds no more than the verbs' documentation. Nothing in the engine imports from here.

- ``status`` reads an engine's report and says how the engine is; ``status_page`` shows it to a person
- ``top`` looks at it again and again; ``top_page`` shows that on a terminal
- ``check`` checks a configuration before an engine has to use it, and lists the worker modules
- ``tap`` shows events as they come, ``ruletest`` tests rules; both ask the rules as the engine does
- ``dead`` tells of dead letters, one by one or by their reason; ``letters`` puts them back or deletes them, those in
  the spool and those that writers have buried in a broker
- ``flush`` has the engine write at once what waits
- ``purge`` deletes what is older than a worker's ``keep`` says, or counts it, and forgets minions
- ``archive`` puts what is old into a file, and back
- ``schema`` looks after the tables of sql workers: their version, upgrades, copies into other databases
- ``views`` makes views that are missing, and those for programs that read the tables of Salt's own returners
- ``replay`` sends what the history holds through a rule as it is today
- ``given`` says what is wrong with an argument that is no path
- ``databases`` connects to the databases of sql workers, for verbs that need one; ``progress`` tells how far they are
- ``imports`` brings into the history what a job cache of Salt's has kept: all of it, or what came in gaps
- ``convert`` turns a configuration of salt-eventsd 0.9.3 into one of today
- ``history`` puts questions to the history, ``history_page`` shows the answers to a person, and
  ``answer_page`` those of ``check``, ``dead``, ``purge`` and ``forget``
- ``report`` makes one HTML page of the history, and of how the engine is
- ``job_cache`` is what Salt's job cache does, for ``_returners/eventsd.py``
- ``demo`` is ``make demo``: a master, minions and databases that come and go

Dead letters are in :mod:`salt_eventsd.spool.dead_letters`. What a running engine has to do itself (``reload``,
``drop_orphaned``) is asked for over its control socket, see :mod:`salt_eventsd.engine.control.verbs`.
"""
