"""A nursery without processes, for engines whose bus is the test."""

from __future__ import annotations

from salt_eventsd.bus.page import Page


class Childless:
    """A nursery whose reader is the test."""

    def __init__(self) -> None:
        self.page = Page()
