"""
Repair: what came in a gap comes from Salt's job cache, and the ledger is told how much that was.

- ``thread`` asks Salt's own job cache for what came in a gap, and notes when all of a gap has come
- ``asking`` says what of the job cache is wanted, and asks the history for what it has
- ``handed`` counts what the drain takes in, where our own returner is the job cache
"""
