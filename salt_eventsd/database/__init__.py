"""
Writes batches into SQL databases, exactly once: the ``sql`` worker, on SQLAlchemy Core.

A batch comes in through :meth:`store.Store.write`, whose answer is that of every worker: written, refused or a fault.
The room does not know where a batch comes from or when it is tried again: that is ``dispatch``. It does not read the
configuration file either: a worker's options come in through ``engines``.

=================== ===================================================================================================
``store``           the door: one transaction for each batch
``known``           what is found out of a database over each connection
``engines``         options of a worker, and the connections made of them; ``deadlines`` limits each statement
``receipts``        which chunks are written already; ``receipts_tidy`` keeps them few
``turns``           batches wait for each other, where the database has one writer at a time
``rows``            events become rows of the built-in tables; ``building`` makes those of a batch, some at a time
``insertion``       finds what of a batch the database refuses; ``attempt`` inserts some of it, all or none
``sightings``       puts off what each return says of its minion: when it was last seen
``keeping``         sees to it that each row is in its table, and merges jobs
``user_tables``     tables and statements of users' own
``blame``           whether an event is to blame for an error, or its table, or the server
``retention``       deletes what is old
``archive``         puts what is old into a file, and back
``partitions``      large tables in parts that go at once
``schema``          the built-in tables, of ``column_types``
``questions``         what people and Salt ask of the tables; ``views`` are for those who ask in SQL
``compat``            views for programs that read tables of Salt's returners; ``making_views`` makes views later
``made``            what there is of them in a database; ``transfer`` takes rows out of them
``migrate``         makes and upgrades them, by the steps in ``migrations``, where their indexes are made, too
``probe``           what ``eventsd.check`` tries on a database
``dialects``        all that differs between databases; nothing else asks for a database's name
=================== ===================================================================================================
"""
