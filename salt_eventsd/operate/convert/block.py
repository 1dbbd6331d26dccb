"""
A mapping with comments, and how it becomes YAML.

Whatever a comment quotes stays on its line, so that no name in an old config can end a comment and begin a key.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

_WIDTH = 110
#: PyYAML folds what is longer.
_ENDLESS = 2**31


class Block(dict[str, Any]):
    """A mapping that knows what is to be said above each key."""

    def __init__(self) -> None:
        super().__init__()
        self.comments: dict[str, list[str]] = {}

    def put(self, key: str, value: Any, *comments: str) -> None:
        """
        Set a key.

        :param key: the key.
        :param value: plain data, or a block.
        :param comments: what stands above it, each a paragraph.
        """
        self[key] = value
        self.comments.setdefault(key, []).extend(comments)


def rendered(block: Block, indent: int = 0) -> str:
    """
    Return a block as YAML.

    :param block: the block.
    :param indent: by so many spaces.
    """
    parts = []
    for key, value in block.items():
        parts += [comment(text) for text in block.comments.get(key, ())]
        if isinstance(value, Block) and value:
            parts.append(f"{_dumped(key)}:\n{rendered(value, 2)}")
        else:
            parts.append(_entry(key, value))
    return textwrap.indent("".join(parts), " " * indent)


def comment(text: str) -> str:
    """
    Return a paragraph as a comment.

    :param text: anything.
    """
    plain = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    lines = textwrap.wrap(plain, _WIDTH - 2, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines)


def commented(heading: str, texts: Iterable[str]) -> str:
    """
    Return a list of paragraphs as a comment, nothing if there are none.

    :param heading: what they are.
    :param texts: the paragraphs.
    """
    listed = [comment(f"- {text}") for text in texts]
    return "#\n" + comment(heading) + "".join(listed) if listed else ""


def _entry(key: str, value: Any) -> str:
    if isinstance(value, str) and _is_literal(value):
        return f"{_dumped(key)}: |-\n{textwrap.indent(value, '  ')}\n"
    flow = None if isinstance(value, (Mapping, list, tuple)) and _is_short(value) else False
    return _dump({key: _plain(value)}, flow)


def _is_literal(text: str) -> bool:
    """Whether text of several lines can stand as it is."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and all(line and line == line.rstrip() and line.isprintable() for line in lines)
        and not text.startswith(" ")
    )


def _is_short(value: Any) -> bool:
    return len(_dump(_plain(value), True)) < _WIDTH - 20


def _plain(value: Any) -> Any:
    """PyYAML writes down no subclass, and gives an anchor to what it meets twice."""
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _dumped(key: str) -> str:
    return _dump({key: None}, False).removesuffix("\n").removesuffix(": null")


def _dump(value: Any, flow: bool | None) -> str:
    def dump(allow_unicode: bool) -> str:
        text: str = yaml.safe_dump(
            value, default_flow_style=flow, sort_keys=False, allow_unicode=allow_unicode, width=_ENDLESS
        )
        return text

    text = dump(True)
    # PyYAML does not read back what it writes of these line ends unless they are escaped.
    return dump(False) if any(one in text for one in "\x85\u2028\u2029") else text
