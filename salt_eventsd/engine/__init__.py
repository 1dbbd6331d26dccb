"""
Engine: the life of the process that Salt starts, from its start to SIGTERM. It makes the parts that stand in the other
rooms, gives them what the configuration says, reports how they are, and answers those who ask. Events pass it by: no
file in here looks into one.

Its life, in the order in which it happens:

- ``process`` is what Salt calls: wait until there is a right configuration, run, end
- ``signals`` says what each signal does; the processes of ``bus/nursery`` ignore them
- ``plan`` makes rules and workers of a configuration; nothing is opened
- ``assembly`` puts the parts together along the path of an event, and makes a plan real: ``Assembly.apply``
- ``service`` starts and ends them
- ``reload`` makes a plan of what is on disk now, and has it applied
- ``idle`` is an engine that cannot work, and waits until that is mended

What runners ask of it is in ``control``: a socket, and a table of verbs.

What it tells:

- ``report`` is the structs of a report, ``counters`` the list of all its numbers, ``readings`` what those are read from
- ``collect`` makes a report, ``reporter`` is the thread that does so again and again, ``state_file`` its form on disk,
  ``own_events/stats`` its form as an event
- ``metrics`` is its form for Prometheus, and the server that it is read from
- ``own_events`` is what it says on Salt's bus, for reactors
- ``watch`` tells which threads stand still, ``ledger`` what was lost and whether an operator has looked,
  ``predecessor`` what the engine before this one has left
- ``live`` notes since when each rule has been in force, for replays
- ``repair`` is the thread that asks Salt's own job cache for what came in a gap
- ``problems`` tells from a report what is wrong
"""
