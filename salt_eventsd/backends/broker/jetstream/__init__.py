"""
NATS JetStream as a broker: one stream for all parcels, and one for dead letters.

``link``
    A connection, on an event loop.
``loop``
    A thread with an event loop in it.
``faults``
    What errors of the client mean, and which option they are about.
``access``
    How servers are reached: the options, and what the client is told of them.
``options``
    Where the stream is, and what it is to be like.
``names``
    Subjects, and the names of consumers.
``api``
    Requests to JetStream, and what its answers mean.
``session``
    A connection whose stream was made or checked.
``stream``
    Make the stream, or check the one there is.
``clock``
    What time it is at the broker.
``passed``
    Parcels that a consumer does not hand out any more, though they are there.
``publisher``, ``consumer``, ``delivered``, ``letters``
    What :mod:`~salt_eventsd.backends.broker.interface` asks for.
"""
