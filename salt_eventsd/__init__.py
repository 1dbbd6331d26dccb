"""
salt-eventsd: a Salt engine that keeps the events of a master's bus in the databases its users run.

An event takes eight steps, each in the file named, in the order in which :mod:`salt_eventsd.engine.assembly` puts them
together (:mod:`salt_eventsd.engine.process` runs that, from Salt's start to SIGTERM):

======== ==================== =====================================================================================
step     file                 what happens
======== ==================== =====================================================================================
listen   ``bus/listen``       a process of its own reads frames off the bus
parse    ``event/parse``      a frame becomes one frozen ``Event``, whatever shape it came in
match    ``rules/match``      the configuration's rules say which workers get the event
redact   ``redact/redactor``  secrets become ``***`` before anything touches a disk
keep     ``spool/keep``       one group-committed transaction every ``commit_seconds``
run      ``dispatch/run``     kept chunks become batches on a bounded thread pool
write    ``workers/write``    a backend a module; ``sql`` is the room ``database``
settle   ``dispatch/settle``  written: forget; fault: retry; refused: bury the bad events alone
======== ==================== =====================================================================================

The rooms, from top to bottom; each imports only what stands below it, and says in its ``__init__`` which file is which:

============= =======================================================================================================
``operate``   what runners show: status, check, tap, rule tests, the converter, the demo
``writer``    ``salt-eventsd-writer``: from a broker into databases, without a master
``engine``    the life of the process: start, reload, report, requests, end
``intake``    the thread from the inbox to the spool, and the pipeline that makes events of a frame
``backends``  workers that write into other places than SQL databases; ``broker``, from masters to writers
``dispatch``  lanes, batches, threads, retries, and what gives way when the spool is full
``database``  the sql worker: tables, rows, receipts, dialects
``spool``     the durable file: chunks and dead letters
``workers``   what a worker is, and how its module is found
``rules``     the ``events`` block, compiled
``config``    Salt's options as frozen structs; ``language``, what expressions in them mean
``bus``       from Salt's event bus to the inbox
``redact``    secrets in payloads, texts and errors
``event``     frames, payloads, events, chunks
``common``    small tools
============= =======================================================================================================

``docs/architecture.rst`` says why, and which file to open for which change; ``docs/glossary.rst`` what the words mean.
"""

__version__ = "1.0.0"
