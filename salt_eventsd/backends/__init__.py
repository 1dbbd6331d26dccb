"""What stands behind the workers in ``_eventsd_workers/`` that do not write into a SQL database."""
