"""
Events of the engine's own on Salt's bus, ``salt/eventsd/...``, for reactors.

- ``news`` tells from reports what there is to say, and says the same thing no more than once a minute
- ``announcer`` is the thread that puts it on the bus; nobody waits for it
- ``beating`` is the thread that tells the other masters of a cluster that this engine runs, and what it has kept
- ``stats`` makes an event of the engine's numbers, which goes to the rules and not over the bus

The engine never keeps its own events when it reads them on the bus (:mod:`salt_eventsd.intake.pipeline`). Otherwise
each of them would make more work.
"""
