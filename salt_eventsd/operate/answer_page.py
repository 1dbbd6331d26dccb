"""
Answers of other verbs as a person reads them: what is wrong first, then facts, then a table for each list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from salt_eventsd.operate.history_page import facts, section

_WRONG = ("problem", "problems")
#: What is said by the return code, or fits no page.
_LEFT_OUT = ("retcode", "data")
#: What a list is called where it is empty, by its key.
_NOTHING = {
    "letters": "no dead letters",
    "groups": "no dead letters",
    "dropped": "no events wait for workers or rules that are not configured",
    "made": "no view is missing",
    "archive": "nothing is so old",
    "purge": "nothing is older than keep says",
    "forget": "nothing to forget",
}


def page(found: Mapping[str, Any], width: int) -> str:
    """
    Return an answer as text.

    :param found: the answer.
    :param width: of the terminal, in columns.
    """
    lines: list[str] = []
    for key in _WRONG:
        told = found.get(key) or ()
        lines += [f"wrong: {one}" for one in ([told] if isinstance(told, str) else told)]
    rest = {key: value for key, value in found.items() if key not in (*_WRONG, *_LEFT_OUT)}
    if rest.get("dry_run") is False:
        del rest["dry_run"]
    if rest.get("groups") == []:
        del rest["letters"]
    plain = [(key.replace("_", " "), value) for key, value in rest.items() if not isinstance(value, (Mapping, list))]
    lines += facts(plain, width) if any(value not in (None, "") for _, value in plain) else []
    for key, value in rest.items():
        if isinstance(value, Mapping):
            lines += _mapping(key, value, width)
        elif isinstance(value, list):
            lines += _list(key, value, width)
        if value in ([], {}) and key in _NOTHING and "problem" not in found and not rest.get("notes"):
            lines.append(_NOTHING[key])
    return "\n".join(lines).strip("\n") or "nothing found"


def _list(key: str, value: Sequence[Any], width: int) -> list[str]:
    if value and _is_table(value):
        if any(isinstance(cell, (Mapping, list)) for one in value for name, cell in one.items() if name != "data"):
            return [line for one in value for line in _block(one, width)]
        columns = list(dict.fromkeys(name for one in value for name in one if name not in _LEFT_OUT))
        # The longest texts stand last, where a table has room for them.
        columns.sort(key=lambda name: name in ("error", "tag"))
        return section(key, value, columns, width)
    return ["", f"{key}:", *(f"  {one}" for one in value)] if value else []


def _block(one: Mapping[str, Any], width: int) -> list[str]:
    """What has lists or mappings in it fits no line of a table."""
    plain = [(key.replace("_", " "), _joined(value)) for key, value in one.items() if not isinstance(value, list)]
    lines = ["", *facts(plain, width)]
    for key, value in one.items():
        lines += _list(key, value, width) if isinstance(value, list) else []
    return lines


def _is_table(value: Sequence[Any]) -> bool:
    return all(isinstance(one, Mapping) for one in value)


def _mapping(key: str, value: Mapping[str, Any], width: int) -> list[str]:
    pairs = [(f"  {name}", _joined(one)) for name, one in value.items()]
    return ["", f"{key.replace('_', ' ')}:", *facts(pairs, width)] if pairs else []


def _joined(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
