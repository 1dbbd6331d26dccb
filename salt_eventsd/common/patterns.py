"""
Regular expressions that users write and that are applied to what minions send. None may take longer than is reasonable
for the length of its text.

The standard library's :mod:`re` tries every way in which an expression could match, and holds the GIL meanwhile. So
``pattern_cost`` counts those ways first. Where it proves that there are few of them for the length of a text, ``re``
does the work. Everything else goes to the ``regex`` module, which has a time limit.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any, cast

from salt_eventsd.common.pattern_cost import longest_cheap
from salt_eventsd.exceptions import EventsdError

#: How long one call may take where its cost is not known beforehand, in seconds.
TIME_LIMIT_SECONDS = 0.1
#: Texts with more characters than this are searched without the GIL. For shorter texts, releasing it costs more.
_WITHOUT_GIL_CHARS = 4096
#: Signs that ``regex`` understands and ``re`` takes literally: ``a{e<=1}`` (errors allowed), ``[[:alpha:]]`` (a class).
_READ_OTHERWISE = re.compile(r"(\\N\{[^}]*\}|\\[\s\S]|\{\d+(?:,\d*)?\}|\{,\d+\})|\{|\[:")


class PatternTimeout(EventsdError):
    """A pattern ran out of time on a text. Whether it matches is unknown."""


class Pattern:
    """
    A compiled expression, with the three methods of :class:`re.Pattern` that this package needs.

    :param regex: the same expression, compiled by :mod:`re`.
    :ivar match: as :meth:`re.Pattern.match`; like the other two, it may raise :class:`PatternTimeout`.
    :ivar search: as :meth:`re.Pattern.search`.
    :ivar sub: as :meth:`re.Pattern.sub`.
    :ivar cheap_chars: up to which length of text :attr:`search` and :attr:`sub` are cheap and never raise; None: any.
    :ivar linear: whether the time of :attr:`match` is proportional to the length of any text, so that it never raises.
    """

    __slots__ = ("_timed", "cheap_chars", "linear", "match", "regex", "search", "sub")

    match: Callable[..., re.Match[str] | None]
    search: Callable[..., re.Match[str] | None]
    sub: Callable[..., str]

    def __init__(self, regex: re.Pattern[str]) -> None:
        self.regex = regex
        self._timed: Any = None
        at_start = longest_cheap(regex.pattern, regex.flags, anywhere=False)
        anywhere = longest_cheap(regex.pattern, regex.flags, anywhere=True)
        self.linear = at_start is None
        self.cheap_chars = anywhere
        # Where they are cheap, the methods of re itself: they run for each event, and this saves a call.
        self.match = regex.match if at_start is None else self._limited("match", at_start)
        self.search = regex.search if anywhere is None else self._limited("search", anywhere)
        self.sub = regex.sub if anywhere is None else self._limited_sub(anywhere)

    @property
    def pattern(self) -> str:
        """The expression, as the user wrote it."""
        return self.regex.pattern

    @property
    def flags(self) -> int:
        """The flags, as :mod:`re` has them."""
        return self.regex.flags

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r})"

    def _limited(self, method: str, longest: int) -> Callable[..., re.Match[str] | None]:
        plain = getattr(self.regex, method)

        def run(text: str, pos: int = 0, timeout: float = TIME_LIMIT_SECONDS) -> re.Match[str] | None:
            if len(text) - pos <= longest:
                return cast("re.Match[str] | None", plain(text, pos))
            try:
                timed = getattr(self._regex(), method)
                found = timed(text, pos, timeout=timeout, concurrent=len(text) > _WITHOUT_GIL_CHARS)
            except TimeoutError:
                raise _timed_out(self.pattern, timeout) from None
            return cast("re.Match[str] | None", found)

        return run

    def _limited_sub(self, longest: int) -> Callable[..., str]:
        def run(instead: Any, text: str, timeout: float = TIME_LIMIT_SECONDS) -> str:
            if len(text) <= longest:
                return self.regex.sub(instead, text)
            try:
                found = self._regex().sub(instead, text, timeout=timeout, concurrent=len(text) > _WITHOUT_GIL_CHARS)
            except TimeoutError:
                raise _timed_out(self.pattern, timeout) from None
            return cast(str, found)

        return run

    def _regex(self) -> Any:
        """Return the expression compiled by ``regex``; it is compiled when it is first needed."""
        if self._timed is None:
            # Most configurations never need this module.
            import regex

            spelled = _READ_OTHERWISE.sub(lambda hit: hit[1] or ("\\{" if hit[0] == "{" else "[\\:"), self.pattern)
            self._timed = regex.compile(spelled, regex.VERSION0 | _flags(regex, self.flags))
        return self._timed


def compile_pattern(expression: str) -> Pattern:
    """
    Compile a regular expression into a :class:`Pattern`.

    :param expression: as the user wrote it, in the syntax of :mod:`re`.
    :raises ValueError: it does not compile; the text says what is wrong, and where.
    """
    return Pattern(compiled(expression))


def _flags(module: Any, flags: int) -> int:
    """Return the flags for another module: both modules have the same letters for the flags of text expressions."""
    same = "IMSXA"
    return sum(int(getattr(module, letter)) for letter in same if flags & int(getattr(re, letter)))


def _timed_out(pattern: str, timeout: float) -> PatternTimeout:
    shown = pattern if len(pattern) <= 60 else f"{pattern[:60]}..."
    return PatternTimeout(f"eventsd: the expression '{shown}' took longer than {timeout:g} s")


def compiled(expression: str) -> re.Pattern[str]:
    """
    Compile a regular expression with :mod:`re`.

    :param expression: as the user wrote it.
    :raises ValueError: it does not compile; the text says what is wrong, and where.
    """
    try:
        # Python warns of signs that a later version may read as a set. This one does not, so no operator is warned.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
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
