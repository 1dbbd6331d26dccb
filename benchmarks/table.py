"""Figures as text: percentiles, and tables whose columns line up. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def percentile(values: Sequence[float], percent: float) -> float:
    """
    Return the smallest value that at least so many percent of the values do not exceed; NaN if there is none.

    :param values: in any order.
    :param percent: above 0 and up to 100.
    """
    if not values:
        return math.nan
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def render(title: str, rows: Sequence[Row]) -> str:
    """
    Return a table with a column for each key, in the order of their first use; numbers to the right, text to the left.

    :param title: the title above it.
    :param rows: the rows; a dash stands for a missing key.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_shown(row.get(key)) for key in keys] for row in rows]
    widths = [max(len(key), *(len(line[at]) for line in cells)) for at, key in enumerate(keys)]
    to_right = [all(_is_number(row.get(key)) for row in rows) for key in keys]

    def line(texts: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if right else text.ljust(width) for text, width, right in zip(texts, widths, to_right)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([title, line(keys), line(["-" * width for width in widths]), *map(line, cells)])


def plain(value: Any) -> Any:
    """Return figures for JSON, which has no NaN."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 3)
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (int, float))


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
