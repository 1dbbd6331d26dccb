"""
The tables of a report with their rows, and how the values in them are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from salt_eventsd.operate.report.facts import Report, Row
from salt_eventsd.operate.report.layout import LAYOUTS, Column, Layout
from salt_eventsd.operate.status_page import duration


@dataclass(frozen=True)
class Cell:
    """
    A value as the page shows it.

    :param text: what is shown.
    :param sort: what rows are sorted by, None for the text.
    :param share: how long a bar behind it is, in per cent of the longest; None for no bar.
    """

    text: Any
    sort: float | str | None = None
    share: float | None = None


@dataclass(frozen=True)
class Table:
    """
    A table of the page.

    :param name: its id.
    :param title: above it.
    :param about: what it shows, in a sentence.
    :param empty: what is said where it has no rows.
    :param columns: of it.
    :param lines: its rows, a cell for each column.
    :param of: how many rows there would be in all.
    """

    name: str
    title: str
    about: str
    empty: str
    columns: tuple[Column, ...]
    lines: tuple[tuple[Cell, ...], ...]
    of: int


def tables(report: Report) -> Mapping[str, Table]:
    """
    Return the tables of a report, by their ids.

    :param report: what it tells.
    """
    found = [_table(layout, report) for layout in LAYOUTS]
    return {table.name: table for table in found}


def _table(layout: Layout, report: Report) -> Table:
    listing, columns = layout.listing(report), layout.columns
    about = layout.about if isinstance(layout.about, str) else layout.about(report)
    largest = {
        column.name: max((float(row[column.name] or 0) for row in listing.rows), default=0.0)
        for column in columns
        if column.bar
    }
    lines = tuple(tuple(_cell(column, row, largest) for column in columns) for row in listing.rows)
    return Table(layout.name, layout.title, about, layout.empty, columns, lines, listing.of)


def _cell(column: Column, row: Row, largest: Mapping[str, float]) -> Cell:
    value = row.get(column.name)
    if column.kind in _SHOWN and value is not None:
        text, sort = _SHOWN[column.kind](value)
        most = largest.get(column.name)
        return Cell(text, sort, round(100 * float(value) / most, 1) if most else None)
    return Cell(value)


def _number(value: Any) -> tuple[str, float]:
    number = float(value)
    return (f"{int(number):,}" if number == int(number) else f"{number:,.1f}"), number


def _time(value: Any) -> tuple[str, str]:
    return str(value)[:19].replace("T", " "), str(value)


def _took(value: Any) -> tuple[str, float]:
    milliseconds = float(value)
    return (f"{milliseconds:.0f} ms" if milliseconds < 1000 else duration(milliseconds / 1000)), milliseconds


_SHOWN: Mapping[str, Callable[[Any], tuple[str, float | str]]] = {"number": _number, "time": _time, "took": _took}
