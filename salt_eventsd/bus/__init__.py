"""
Bus: reads frames from Salt's event bus and puts them into the inbox. This room does not parse frames.

A separate process reads the bus, so that no rule, disk or database can hold it up.

- ``nursery`` forks that process, before the engine has a thread, a database or a socket
- ``reader`` is that process; ``listen`` reads frames from the bus and reconnects to it
- ``pieces`` carries frames to the engine, many at a time; ``page`` is the memory that both processes share
- ``link`` is the engine's end: it puts frames into the ``inbox`` and replaces a reader that has died
- ``gaps`` records the times in which events may have been missed, and estimates how many; ``unanswered`` counts the
  answers still to come
"""
