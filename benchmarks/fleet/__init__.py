"""
A fleet on paper: M masters, a broker, N writers and a database, from what each event costs each of them. Says where the
limit is, what a day and a month need, and how long a backlog takes: ``python -m benchmarks.fleet``.

=================================== ================================================================================
module                              what it does
=================================== ================================================================================
:mod:`benchmarks.fleet.costs`       what an event and a state result cost, as they were measured
:mod:`benchmarks.fleet.fleet`       what there is: machines, load, bursts, outages
:mod:`benchmarks.fleet.limits`      what each part can carry, and what the load takes of it
:mod:`benchmarks.fleet.model`       second by second: what waits where, and until when
:mod:`benchmarks.fleet.place`       the servers of a small fleet, and what a load costs each of them
:mod:`benchmarks.fleet.spent`       what processes have spent
:mod:`benchmarks.fleet.measure`     measures the costs on this machine
:mod:`benchmarks.fleet.writers`     one, two and three writers, beside writing straight into the database
:mod:`benchmarks.fleet.delay`       how long an event takes from a master to the database
:mod:`benchmarks.fleet.compare`     runs a fleet in small, and says how far the model is off
=================================== ================================================================================
"""
