"""
Writer: ``salt-eventsd-writer`` pulls from a broker what masters have sent there, and writes it into databases. It needs
no master, and any number of writers share the work.

``main``
    The command: its arguments, and what it prints. ``__main__`` is the same for ``python -m``.
``process``
    From the start to SIGTERM.
``config``, ``plan``, ``check``
    The configuration; the workers made of it; what is wrong with it.
``service``
    A writer at work: its desks, and the threads that keep the broker and the operator informed.
``carry``
    Parcels from the broker into a backend.
``alone``
    A try in a process of its own, for a parcel that may end the one it is written in.
``jetstream``
    The servers that a configuration names.
``told``
    What a writer says of itself.
``letters``
    The verbs for dead letters.
``repeat``
    A thread that does something again and again.

A parcel may come any number of times and to any writer: the receipts in the database make it count once. So nothing is
kept here. What is committed is acknowledged; what is not stays in the broker.
"""
