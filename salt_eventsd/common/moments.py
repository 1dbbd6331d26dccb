"""
Times as people give them to a command (``90m``, ``7d``, ``2026-11-26 14:00``, ``last friday 14:00``), and as they are
told.

All of them are UTC, as the times in the tables are, unless they say another offset.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_AGO = re.compile(r"([0-9]{1,6})\s*([smhdwy])")
_DAY = re.compile(r"[0-9]{8}")
_FRACTION = re.compile(r"\.([0-9]+)")
_EXPECTED = 'expected a time such as 90m, 7d, 2026-11-26, "2026-11-26 14:00" (UTC) or "last friday 14:00"'
#: Lengths of time in words.
_LENGTH = r"[0-9]+ *(?:sec(?:ond)?|min(?:ute)?|hour|day|week|fortnight|month|year)s?(?: +|\Z)"
_DAY_OF_WEEK = r"(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?(?: |\Z)"
_LENGTHS = re.compile(f"(?:{_LENGTH})+")
_WEEKDAY = re.compile(_DAY_OF_WEEK)
#: Where these are told among other words, they may be meant in another way than timelib reads them.
_RELATIVE = re.compile(rf"\b(?:{_LENGTH}|{_DAY_OF_WEEK})")
#: Days that a month may not have: timelib would make those of the next month of them.
_DATES = (
    re.compile(r"(?P<y>[0-9]{4})[-/.](?P<m>[0-9]{1,2})[-/.](?P<d>[0-9]{1,2})(?![0-9])"),
    re.compile(r"(?P<d>[0-9]{1,2})[-.](?P<m>[0-9]{1,2})[-.](?P<y>[0-9]{4})(?![0-9])"),
    re.compile(r"(?P<m>[0-9]{1,2})/(?P<d>[0-9]{1,2})/(?P<y>[0-9]{4})(?![0-9])"),
)
#: What timelib makes a time of today in another time zone of: a unit or a number that was forgotten, a word such as
#: ``a``, or a sign; and numbers that are too large for it.
_ZONES = re.compile(r"[a-z]{1,2}(?: .*)?|[-+] *[0-9.:]+ *[a-z]?|[0-9]+[. ][0-9]+ *[a-z]{1,2}|[^@].*[0-9]{10}.*")


def moment_of(value: Any, now: datetime | None = None) -> datetime:
    """
    Return the time that a command was given, in UTC.

    :param value: ``90m`` or ``7d`` (so long ago; units are s, m, h, d, w, y), an ISO time, or words such as ``last
        friday 14:00``, ``yesterday``, ``3 days ago``. YAML may have made a date of it. Lengths of time and weekdays are
        past ones, also where that is not said: what is asked for has been.
    :param now: what lengths of time and words are relative to.
    :raises ValueError: it is none; the message says what would be one.
    """
    now = now or datetime.now(timezone.utc)
    text = str(value).strip()
    try:
        if isinstance(value, datetime):
            return _in_utc(value)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
        if found := _AGO.fullmatch(text):
            return now - timedelta(seconds=int(found[1]) * _UNITS[found[2]])
        if _DAY.fullmatch(text):
            return datetime.strptime(text, "%Y%m%d").replace(tzinfo=timezone.utc)
        if (when := _iso(text)) is not None:
            return when
        if isinstance(value, (bool, int, float)) or not text or text.isdigit():
            raise ValueError
        return _by_words(text, now)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{_EXPECTED}, got {text!r}") from None


def told(seconds: float) -> str:
    """
    Return a time as it is told to people.

    :param seconds: since 1970 UTC.
    """
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _iso(text: str) -> datetime | None:
    # Python 3.10 knows neither Z nor fractions of other lengths than 3 and 6.
    plain = re.sub(r"[zZ]\Z", "+00:00", text)
    plain = _FRACTION.sub(lambda found: f".{found[1][:6]:0<6}", plain)
    try:
        return _in_utc(datetime.fromisoformat(plain))
    except ValueError:
        return None


def _by_words(text: str, now: datetime) -> datetime:
    try:
        # Salt brings it along from 3007 on.
        import timelib
    except ImportError:
        raise ValueError from None
    words = " ".join(text.lower().replace(",", " ").split())
    if _ZONES.fullmatch(words):
        raise ValueError
    for form in _DATES:
        if found := form.match(words):
            date(int(found["y"]), int(found["m"]), int(found["d"]))
    if _LENGTHS.fullmatch(words):
        words += " ago"
    when = _read(timelib.strtotime, words, now)
    if when > now and _WEEKDAY.match(words):
        when = _read(timelib.strtotime, f"last {words}", now)
    if when > now and _RELATIVE.search(words) and "next" not in words:
        raise ValueError
    return when


def _read(read: Callable[[bytes, int], int], words: str, now: datetime) -> datetime:
    return datetime.fromtimestamp(read(words.encode(), int(now.timestamp())), timezone.utc)


def _in_utc(when: datetime) -> datetime:
    return when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when.astimezone(timezone.utc)
