"""
salt-eventsd: a Salt engine that keeps the events of a master's bus in the databases its users run.

An event takes eight steps, each in the module named, in the order :mod:`salt_eventsd.service` puts them together
(:mod:`salt_eventsd.process` runs that, from Salt's start to SIGTERM):

======== ==================================== =================================================================
step     module                               what happens
======== ==================================== =================================================================
listen   :mod:`salt_eventsd.bus`              frames are read off the bus; nothing else runs in that thread
parse    :mod:`salt_eventsd.event`            a frame becomes one frozen ``Event``, whatever shape it came in
match    :mod:`salt_eventsd.rules`            the config's rules say which workers get the event; pure
redact   :mod:`salt_eventsd.redact`           secrets become ``***`` before anything touches a disk
keep     :mod:`salt_eventsd.spool`            one group-committed transaction every ``commit_seconds``
run      :mod:`salt_eventsd.dispatch`         kept chunks become batches on a bounded thread pool
write    :mod:`salt_eventsd.workers`          a backend a module; ``sql`` is :mod:`salt_eventsd.database`
settle   :mod:`salt_eventsd.settle`           written: forget; fault: retry; refused: bury the bad events alone
======== ==================================== =================================================================

Besides them: :mod:`salt_eventsd.intake` is the thread in which parse, match, redact and keep happen, and
:mod:`salt_eventsd.lane` one worker with its :mod:`~salt_eventsd.queue`. :mod:`salt_eventsd.payload` decodes and encodes
what events carry. :mod:`salt_eventsd.config` is what ``eventsd:`` may hold,
:mod:`salt_eventsd.config_load` reads it, :mod:`salt_eventsd.plan` makes rules and workers of it, and
:mod:`salt_eventsd.reload` gives them to a running engine, which :mod:`salt_eventsd.control` speaks to.
:mod:`salt_eventsd.fields` knows what ``data.return`` means in rules, columns and names. Of what
:mod:`salt_eventsd.report` writes, :mod:`salt_eventsd.status` tells; :mod:`salt_eventsd.check` finds what is wrong
beforehand, :mod:`salt_eventsd.letters` deals with dead letters, :mod:`salt_eventsd.retry` knows how long to wait, and
:mod:`salt_eventsd.room` what gives way when the spool is full.
"""

__version__ = "1.0.0.dev0"
