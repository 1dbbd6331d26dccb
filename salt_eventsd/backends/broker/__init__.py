"""
Broker: what carries events from masters to writers, where one machine is not enough.

A master's worker ``central`` makes parcels of the chunks in its spool and publishes them; any number of
``salt-eventsd-writer`` pull them and write them into the database. Nothing here knows a database or a spool.

``parcel``
    What travels: some chunks of one lane, encoded and compressed, always in the same way.
``interface``
    What a broker has to do: take parcels, hand them out until they are acknowledged, keep dead letters.
``requeue``
    Publishes dead letters again, for masters and writers alike.
``memory``
    A broker in this process, for tests.
``jetstream``
    NATS JetStream.
"""
