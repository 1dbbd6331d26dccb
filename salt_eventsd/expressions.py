"""
Compile the regular expressions of a configuration, and say what is wrong with one.
"""

from __future__ import annotations

import re


def compiled(expression: str) -> re.Pattern[str]:
    """
    Compile a regular expression.

    :param expression: what somebody has written.
    :raises ValueError: what is wrong with it, and where.
    """
    try:
        return re.compile(expression)
    except re.error as exc:
        where = "" if exc.pos is None else f" at {exc.pos}"
        raise ValueError(f"{exc.msg}{where} in '{expression}'") from None
    except OverflowError as exc:
        raise ValueError(f"{exc} in '{_beginning(expression)}'") from None
    except RecursionError:
        raise ValueError(f"nested too deeply: '{_beginning(expression)}'") from None


def _beginning(expression: str) -> str:
    return expression if len(expression) <= 60 else f"{expression[:60]}..."
