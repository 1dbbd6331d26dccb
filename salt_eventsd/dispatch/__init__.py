"""
Dispatch: from the spool to the workers. A batch is made of whole chunks, a thread of a bounded pool writes it, and it
is settled: forgotten, tried again later, or split until the bad events stand alone. This room makes no rows and knows
no database; what waits stays in the spool.

Run, in one thread that starts batches:

- ``run`` is that thread, and asks the lanes in turn; ``shares`` says which lane may have a thread, so that one that
  hangs delays no other

A lane, which is the way of events to one worker (or to one rule with a table of its own):

- ``lane`` puts the rest of this list together; ``lanes`` is all lanes by name; ``lane_log`` is what the log says of one
- ``backlog`` counts what waits and what is in flight; ``batching`` chooses the chunks of the next batch
- ``flights`` has the worker and its batches in flight, also while one worker takes over from another
- ``way`` says how its batches make way for prio batches
- ``pauses`` has the workers that an operator has told to wait
- ``retry`` remembers failed tries; ``backoff`` says how long to wait after one

A batch:

- ``delivery`` loads it from the spool, and has what became of its events
- ``settle`` has a worker write it, and finds the events that are refused

And ``quota`` keeps the spool within ``max_bytes``: it drops from the lanes' backlogs, or what has just come.
"""
