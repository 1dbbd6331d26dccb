"""
Convert an old template to a statement with named parameters.

The daemon pasted values into a template with ``str.format``, quotes and all. Here a placeholder and the quotes around
it become a parameter, and a placeholder in the middle of a text becomes a ``concat_ws``. A placeholder that does not
stand for a value is refused.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field

from salt_eventsd.config.language.parameters import BACKSLASHES, parameters, quoted
from salt_eventsd.operate.convert.notes import Unconvertible
from salt_eventsd.operate.convert.parameters import Parameter

#: A character of the template, or the number of a placeholder.
_Item = str | int
#: After one of these comes a name, which cannot be a parameter.
_BEFORE_A_NAME = re.compile(r"\b(into|from|update|join|table|call|as)\s*\Z", re.IGNORECASE)
#: What makes another thing of a text that follows it: x'41', N'text', _utf8'text'.
_INTRODUCER = re.compile(r"(?:\b[xbn]|(?<!\w)_\w+)\Z", re.IGNORECASE)
#: A colon that would be taken for the beginning of a parameter, or a backslash that would be taken away.
_LIKE_A_PARAMETER = re.compile(r"(?<![:\w]):[\w$]|\\:")
_COLUMN_LIST = re.compile(r"\binto\s+[\w.$`]+\s*\([^()]*\Z", re.IGNORECASE)
_TOUCHES = re.compile(r"[\w$:\\]")
_NAME_CHARACTERS = re.compile(r"[\w$@.`]")


@dataclass(frozen=True)
class Made:
    """
    A statement.

    :param sql: the statement, its parameters as ``:name``.
    :param used: the numbers of the placeholders in it.
    :param texts: texts that became parameters: name -> a constant, in quotes of its own.
    :param joined: whether a ``concat`` was needed.
    """

    sql: str
    used: frozenset[int]
    texts: dict[str, str]
    joined: bool


def to_statement(template: str, table: str | None, fields: Sequence[Parameter]) -> Made:
    """
    Turn a template into a statement.

    :param template: the old template.
    :param table: what stood for ``{0}``; None if the event named none.
    :param fields: what ``{1}`` and those after it are.
    :raises Unconvertible: why it cannot be one.
    """
    scanner = _Scanner(_items(template, table, len(fields)), fields)
    scanner.run()
    sql = "".join(scanner.out).strip()
    if not sql:
        raise Unconvertible("template: there is no statement in it")
    if set(parameters(sql)) != {*(fields[number - 1].name for number in scanner.used), *scanner.texts}:
        raise Unconvertible("template: a colon stands before a word outside of a text; write a statement")
    if inside := quoted(sql, BACKSLASHES) or quoted(sql):
        raise Unconvertible(f"template: the field {inside[0]} stands in a comment or a text; write a statement")
    return Made(sql, frozenset(scanner.used), scanner.texts, scanner.joined)


def _items(template: str, table: str | None, count: int) -> list[_Item]:
    items: list[_Item] = []
    automatic = 0
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as exc:
        raise Unconvertible(f"template: {exc}") from None
    for literal, name, spec, conversion in parts:
        items.extend(literal)
        if name is None:
            continue
        if name == "":
            name, automatic = str(automatic), automatic + 1
        shown = "{" + name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}"
        if not name.isdecimal() or spec or conversion not in (None, "s"):
            raise Unconvertible(
                f"template: {shown} is more than a placeholder's number; write a statement with named parameters"
            )
        if int(name) > count:
            has = f"there are {count}" if count else "there are none"
            raise Unconvertible(f"template: {shown} is beyond the fields, of which {has}; take it out or add the field")
        if int(name) == 0:
            if table is None:
                raise Unconvertible("template: {0} is the table, and mysql_tab is missing; name the table")
            items.extend(table)
        else:
            items.append(int(name))
    return items


@dataclass
class _Scanner:
    """Walks through a template as MySQL would: code, texts, names in backticks and comments."""

    items: list[_Item]
    fields: Sequence[Parameter]
    out: list[str] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    joined: bool = False
    at: int = 0

    def run(self) -> None:
        """Fill ``out``."""
        while self.at < len(self.items):
            item = self.items[self.at]
            if isinstance(item, int):
                self._bare(item)
            elif item in "'\"":
                self._text(item)
            elif item == "`":
                self._quoted_name()
            elif item == ";":
                self._end()
            elif not self._skipped_comment():
                self.out.append(item)
                self.at += 1

    def _bare(self, number: int) -> None:
        before = self._written()
        after = self.items[self.at + 1] if self.at + 1 < len(self.items) else " "
        glued = isinstance(after, int) or _NAME_CHARACTERS.match(after) or _NAME_CHARACTERS.match(before[-1:])
        if glued or _BEFORE_A_NAME.search(before) or _COLUMN_LIST.search(before):
            raise Unconvertible(
                f"template: {{{number}}} is the name of a table or column, which no event may choose; make a rule for "
                "each of them"
            )
        self.used.add(number)
        self.out.append(f":{self.fields[number - 1].name}")
        self.at += 1

    def _text(self, quote: str) -> None:
        pieces: list[int | str] = []
        raw = ""
        self.at += 1
        while True:
            item = self._next("a text is not closed")
            if isinstance(item, int):
                pieces += [raw, item]
                raw = ""
            elif item == "\\":
                escaped = self._next("a text is not closed")
                if isinstance(escaped, int):
                    raise Unconvertible(f"template: there is a backslash before {{{escaped}}}; write a statement")
                raw += item + escaped
            elif item != quote:
                raw += item
            elif self.items[self.at : self.at + 1] == [quote]:
                raw += quote * 2
                self.at += 1
            else:
                break
        if not pieces:
            self._append(self._literal(raw, quote))
            return
        if _INTRODUCER.search(self._written()):
            raise Unconvertible(
                "template: a placeholder stands in a text with a prefix, as in x'{1}'; write a statement"
            )
        values = [
            self._literal(one, quote) if isinstance(one, str) else self._quoted(one)
            for one in (*pieces, raw)
            if one != ""
        ]
        self.joined = self.joined or len(values) > 1
        # An unknown part must not make the whole unknown, as it does with concat.
        self._append(values[0] if len(values) == 1 else f"concat_ws('', {', '.join(values)})")

    def _append(self, value: str) -> None:
        """A text's quotes kept it apart from the words beside it; a parameter needs a space there."""
        after = self.items[self.at] if self.at < len(self.items) else " "
        if value[0] not in "'\"":
            value = f" {value}" if _TOUCHES.match(self._written()[-1:]) else value
            value = f"{value} " if isinstance(after, int) or _TOUCHES.match(after) else value
        self.out.append(value)

    def _quoted(self, number: int) -> str:
        self.used.add(number)
        return self.fields[number - 1].quoted

    def _literal(self, raw: str, quote: str) -> str:
        if not _LIKE_A_PARAMETER.search(raw):
            return f"{quote}{raw}{quote}"
        # A colon before a word means a parameter wherever it stands, so such a text becomes one itself.
        value = re.sub(r"\\(.)", _unescaped, raw.replace(quote * 2, quote), flags=re.DOTALL)
        if "'" in value and '"' in value:
            raise Unconvertible(
                "template: a text has a colon before a word and both kinds of quotes; write a statement"
            )
        name = f"text_{len(self.texts) + 1}"
        self.texts[name] = f"'{value}'" if "'" not in value else f'"{value}"'
        return f":{name}"

    def _quoted_name(self) -> None:
        end = self.at + 1
        while end < len(self.items) and self.items[end] != "`":
            end += 1
        name = self.items[self.at : end + 1]
        if end >= len(self.items):
            raise Unconvertible("template: a name in backticks is not closed")
        if any(isinstance(one, int) for one in name):
            raise Unconvertible(
                "template: a placeholder stands in backticks: no event may choose a table or column; make a rule for "
                "each of them"
            )
        self.out.append("".join(map(str, name)))
        self.at = end + 1

    def _skipped_comment(self) -> bool:
        ahead = "".join(str(one) if isinstance(one, str) else "\0" for one in self.items[self.at : self.at + 3])
        if ahead[:1] == "#" or re.match(r"--(\s|\Z)", ahead):
            end = "\n"
        elif ahead[:2] == "/*" and ahead[2:] not in ("!", "+"):
            end = "*/"
            self.at += 2
        else:
            return False
        while self.at < len(self.items):
            if self.items[self.at : self.at + len(end)] == list(end):
                # A line's end stays, for it keeps two words apart.
                self.at += len(end) if end == "*/" else 0
                break
            self.at += 1
        self.out.append(" ")
        return True

    def _end(self) -> None:
        rest = "".join(one if isinstance(one, str) else "?" for one in self.items[self.at :])
        if re.sub(r"/\*.*?\*/|(#|--\s)[^\n]*|[\s;]", "", rest, flags=re.DOTALL):
            raise Unconvertible("template: there are several statements in it; make a rule for each of them")
        self.at = len(self.items)

    def _next(self, missing: str) -> _Item:
        if self.at >= len(self.items):
            raise Unconvertible(f"template: {missing}")
        self.at += 1
        return self.items[self.at - 1]

    def _written(self) -> str:
        return "".join(self.out)


def _unescaped(found: re.Match[str]) -> str:
    """What MySQL means by a backslash and a character; before % and _ it keeps the backslash."""
    character = found[1]
    return {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a", "%": "\\%", "_": "\\_"}.get(
        character, character
    )
