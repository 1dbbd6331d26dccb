"""Events into Elasticsearch or OpenSearch, as documents."""

from salt_eventsd.backends.elasticsearch.worker import make

__all__ = ["make"]
