"""What a master's metrics say, as Prometheus reads them."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families


def scraped(port: int) -> Callable[..., float | None]:
    """
    Return a function that reads a metric by its name and labels; None if there is none.

    :param port: where they are served.
    """

    def value(name: str, **labels: str) -> float | None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        found = {
            (one.name, frozenset(one.labels.items())): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }
        return found.get((name, frozenset(labels.items())))

    return value
