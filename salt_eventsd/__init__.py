"""
salt-eventsd: a Salt engine that keeps the events of a master's bus in the databases its users run.

An event takes eight steps, each in the module named, in the order :mod:`salt_eventsd.engine.service` puts them together
(:mod:`salt_eventsd.engine.process` runs that, from Salt's start to SIGTERM):

======== ==================================== =================================================================
step     module                               what happens
======== ==================================== =================================================================
listen   :mod:`salt_eventsd.bus.reader`           a process of its own reads frames off the bus (``bus``)
parse    :mod:`salt_eventsd.event.parse`            a frame becomes one frozen ``Event``, whatever shape it came in
match    :mod:`salt_eventsd.rules.match`            the config's rules say which workers get the event; pure
redact   :mod:`salt_eventsd.redact`           secrets become ``***`` before anything touches a disk
keep     :mod:`salt_eventsd.spool.keep`            one group-committed transaction every ``commit_seconds``
run      :mod:`salt_eventsd.dispatch.run`         kept chunks become batches on a bounded thread pool
write    :mod:`salt_eventsd.workers.load`          a backend a module; ``sql`` is :mod:`salt_eventsd.database`
settle   :mod:`salt_eventsd.dispatch.settle`           written: forget; fault: retry; refused: bury the bad events alone
======== ==================================== =================================================================

Which file to open, by what it is about:

- from the bus to the engine: ``nursery`` (forks readers), ``reader``, ``bus``, ``pieces`` and ``page`` (how they hand
  over), ``link`` (the engine's end), ``inbox``, ``gaps``, ``unanswered``
- the thread between bus and spool: ``intake``, with ``payload`` (decode, encode), ``origin`` (forged events),
  ``outcome`` (return codes, success, dry runs), ``weight``, ``budget`` and ``withheld`` (what one event may cost),
  ``clip``
- rules: ``rules``, ``tags``, ``conditions``, ``fields``, ``destination``, ``parameters``, ``template``, ``patterns``
  and ``pattern_cost`` (expressions that cannot explode), ``remembered``
- configuration: ``config`` (all there is), ``config_load``, ``config_events``, ``config_convert``, ``requirements``,
  ``pillar``, ``sources``, ``plain``, ``plan`` (rules and workers made of it), ``reload``
- spool: ``spool``, ``spool_file`` and what begins like it, ``graves`` and ``letters`` (dead letters), ``orphans``,
  ``room`` (what gives way when it is full)
- writing: ``lane``, ``lanes``, ``queue``, ``batch``, ``dispatch``, ``shares`` (who gets a thread), ``settle``,
  ``retry``, ``workers``, ``backends``, ``database``, ``legacy``
- how it is: ``report``, ``report_workers``, ``watch``, ``ledger``, ``predecessor``, ``problems``, ``status``,
  ``status_page``, ``stats``
- what operators ask: ``control``, ``check`` and what begins like it, ``tap``, ``ruletest``, ``catalogue``, ``convert``
- everywhere: ``errors`` and ``own_secrets`` (told without passwords), ``exceptions``, ``english``, ``reminder``,
  ``grouping``, ``folders``, ``durations``
"""

__version__ = "1.0.0.dev0"
