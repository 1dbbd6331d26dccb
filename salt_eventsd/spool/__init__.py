"""
Spool: events on disk, from the moment the rules chose them until they are written, buried or dropped. It is one SQLite
file in a folder that an engine has locked. This room knows lanes by their names only: which worker is behind one, and
what a batch is, it does not know.

The road of an event:

- ``keep`` is the door, class ``Spool``: put chunks, read those that wait, forget those that are settled
- ``shares`` keeps what chunks of several lanes have in common; ``contents`` puts a chunk's events together again
- ``burial`` notes the events that a backend refused, and makes dead letters of them
- ``dead_letters`` lists, requeues and discards dead letters for an operator, whether an engine runs or not;
  ``letter_rows`` finds them in the file, ``letter_groups`` puts together those with one reason

The file:

- ``file`` opens it, gives transactions, and repairs or replaces it when it breaks
- ``schema`` has its tables, and brings a file of an earlier release to today's version
- ``ids`` has the ids go on from one file to the next; ``lives`` tells chunks of one number apart, in copies of a file
- ``lock`` keeps other engines out, and copies a file that was deleted under the engine
- ``log`` is about a log of SQLite's that belongs to another time; ``aside`` about files that are set aside
- ``doorstep`` is another file beside it: what Salt hands to its job cache, before the engine takes it in;
  ``doorstep_hand`` is Salt's side of it, ``doorstep_rows`` has its rows, ``doorstep_file`` opens it in each process
- ``disk`` says how much room there is, and gives free space back
"""
