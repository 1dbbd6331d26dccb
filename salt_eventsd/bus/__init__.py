"""
Bus: from Salt's event bus to the inbox. Frames are read and handed over here, and nobody looks into them.

A process of its own reads the bus, so that no rule, disk or database can hold it up.

- ``nursery`` forks that process, before the engine has a thread, a database or a socket
- ``reader`` is what the process does, ``listen`` how it reads frames off the bus and connects again
- ``pieces`` is how frames travel to the engine, ``page`` the memory both sides share
- ``link`` is the engine's end: it puts frames into the ``inbox`` and replaces a reader that has died
- ``gaps`` tells times in which events may have been missed, ``unanswered`` the answers that have not come
"""
