"""
What the dashboards are made of: ``python -m grafana.source`` writes ``grafana/dashboards`` anew. A test holds the two
together.

- ``model`` makes Grafana's JSON of panels; ``panels`` is the kinds of panels there are
- ``sql`` is what differs between PostgreSQL and MariaDB; ``jobs``, ``states`` and ``minion`` are the dashboards of both
- ``prometheus`` is those of the metrics
"""
