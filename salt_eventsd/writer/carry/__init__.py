"""
Carry: parcels from the broker into a backend.

``desk``
    One configured worker: its lanes, and what waits in the broker.
``lane``
    Parcels of one lane, carried by some threads.
``hand``
    What a lane has in hand.
``tries``
    When a lane may try, and what failed tries mean for the next ones.
``attempt``
    One try to write one parcel or two.
``pulled``, ``unpack``
    A parcel in hand, and what becomes of its events; how it is read.
``writers``
    What writes, whichever master events come from.
``source``
    How the broker fares.
``strangers``
    What comes from masters with other rules or of another version.
``counts``
    What a lane has done.
"""
