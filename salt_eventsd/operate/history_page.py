"""
Answers of the history as a person reads them: a table as wide as the terminal, and a page about one job or minion.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: What of each answer fits a line; ``--out=json`` has all of it.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "jobs": ("stamp", "jid", "outcome", "user", "fun", "tgt", "answered", "failed", "missing", "kind"),
    "returns": ("stamp", "jid", "minion_id", "fun", "success", "retcode", "return"),
    "failures": ("stamp", "jid", "minion_id", "fun", "retcode", "why"),
    "missing": ("minion_id", "jid", "fun", "user", "stamp"),
    "changes": ("stamp", "jid", "minion_id", "user", "state", "name", "changes"),
    "conformity": ("minion_id", "outcome", "states", "changed", "failed", "stamp", "jid"),
    "slow": ("duration_ms", "what", "minion_id", "fun", "name", "stamp", "jid"),
    "audit": ("stamp", "jid", "user", "kind", "fun", "tgt", "arg"),
}
_ANSWERS = ("minion_id", "outcome", "retcode", "duration_ms", "stamp")
_STATES = ("minion_id", "sls", "state", "name", "comment")
_RUNS = ("stamp", "jid", "fun", "success", "retcode", "schedule")
_HEADS = {"duration_ms": "TOOK", "minion_id": "MINION", "tgt": "TARGET", "stamp": "TIME (UTC)", "arg": "ARGUMENTS"}
#: A column that is not the last one of its table is no wider than this.
_WIDEST = 40
#: Columns that lose their ends where a table is too wide; a jid, a time or an outcome is of no use in part.
_MAY_SHRINK = frozenset(
    (
        "user",
        "fun",
        "tgt",
        "minion_id",
        "return",
        "why",
        "changes",
        "state",
        "name",
        "sls",
        "comment",
        "arg",
        "schedule",
    )
)
#: To how much they shrink, and to how much the last column.
_NARROW, _LAST = 12, 24
#: What there are too many of is cut off, so that the rest of a page stays in sight.
_MOST_LINES = 200
_FACT_LINES = 8


def page(question: str, found: Any, width: int) -> str:
    """
    Return an answer as text.

    :param question: its name.
    :param found: the answer.
    :param width: of the terminal, in columns.
    """
    if isinstance(found, Mapping) and "note" in found:
        note = str(found["note"])
        rows = found.get(question)
        return f"{page(question, rows, width)}\n\n{note}" if rows else note
    if not found:
        return "nothing found"
    if question == "job":
        with_twins = [job for one in found.values() for job in (one, *one.get("same_jid", ()))]
        return "\n\n".join(_job(job, width) for job in with_twins)
    if question == "minion":
        return "\n\n".join(_minion(minion, width) for minion in found.values())
    if question == "failures":
        found = [{**row, "why": _why(row)} for row in found]
    return "\n".join(table(found, _COLUMNS[question], width))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], width: int) -> list[str]:
    """
    Return rows as the lines of a table; columns with nothing in them are left out.

    :param rows: the rows.
    :param columns: which columns of theirs, in order; the last one gets what is left of the width.
    :param width: of the table.
    """
    used = [name for name in columns if any(row.get(name) not in (None, "", []) for row in rows)] or list(columns)
    lines = _table(rows, used, width)
    if lines is None and {"stamp", "jid"} <= set(used):
        # A jid says when its job was, so its time is the first thing that a narrow terminal can do without.
        used.remove("stamp")
        lines = _table(rows, used, width)
    while lines is None and used[-1] not in _MAY_SHRINK and len(used) > 1:
        used.pop()
        lines = _table(rows, used, width)
    return [_clipped(line, width) for line in lines or _table(rows, used, None) or ()]


def _table(rows: Sequence[Mapping[str, Any]], used: Sequence[str], width: int | None) -> list[str] | None:
    """Return the lines of a table, or None if they do not fit into the width; None as width: as narrow as can be."""
    cells = [[_cell(name, row.get(name)) for name in used] for row in rows]
    sizes = [max(len(_HEADS.get(name, name)), *(len(line[at]) for line in cells)) for at, name in enumerate(used)]
    sizes = [min(size, _WIDEST) for size in sizes[:-1]] + sizes[-1:]
    least = [min(size, _least(used, at)) for at, size in enumerate(sizes)]
    room = (sum(least) if width is None else width) - 2 * (len(sizes) - 1) * (width is not None)
    if sum(least) > room:
        return None
    while (excess := sum(sizes) - room) > 0:
        # The widest one first, down to the next one's width.
        at = max((at for at, size in enumerate(sizes) if size > least[at]), key=sizes.__getitem__)
        next_one = max((size for size in sizes if size < sizes[at]), default=0)
        sizes[at] = max(least[at], next_one, sizes[at] - excess)
    return [_line(line, sizes) for line in ([_HEADS.get(name, name.upper()) for name in used], *cells)]


def _least(used: Sequence[str], at: int) -> int:
    if used[at] not in _MAY_SHRINK:
        return _WIDEST
    return _LAST if at == len(used) - 1 else _NARROW


def _line(cells: Iterable[str], sizes: Sequence[int]) -> str:
    parts = [_clipped(cell, size).ljust(size) for cell, size in zip(cells, sizes, strict=True)]
    return "  ".join(parts).rstrip()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "stamp" and isinstance(value, str):
        return value[:19].replace("T", " ")
    if name == "arg":
        return _arguments(value) or "-"
    if name == "duration_ms" and isinstance(value, (int, float)):
        return f"{value / 1000:,.3f} s"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # What comes from a minion must not move the cursor.
    return "".join(char if char.isprintable() else " " for char in text)


def _clipped(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(1, width - 3)] + "..."


def _why(row: Mapping[str, Any]) -> Any:
    """The states that failed, or else what was returned."""
    if row["states"]:
        return "; ".join(f"{one['state']} {one['name']}: {one['comment']}" for one in row["states"])
    told = row["return"]
    # What a runner shows a person is a text, with what Salt needs to know beside it.
    return told["return"] if isinstance(told, Mapping) and {"return", "outputter"} <= set(told) else told


def _job(job: Mapping[str, Any], width: int) -> str:
    told = [
        ("job", job["jid"]),
        ("what", " ".join(filter(None, (job["fun"], _arguments(job["arg"]), "(test run)" if job["test"] else "")))),
        ("kind", " ".join(filter(None, (job["kind"] or "unknown: only returns are known", job["schedule"])))),
        ("target", " ".join(filter(None, (job["tgt"], f"({job['tgt_type']})" if job["tgt_type"] else "")))),
        ("user", job["user"]),
        ("begun", f"{_cell('stamp', job['stamp'])} UTC"),
        ("took", None if job["seconds"] is None else f"{job['seconds']:,.1f} s until the last answer"),
        (
            "outcome",
            f"{job['outcome']}: {job['succeeded']} succeeded, {job['failed']} failed, {job['missing']} missing",
        ),
        ("missing", ", ".join(job["missing_minions"])),
        ("started", ", ".join(job["started"])),
        ("started by", job["started_by"]),
        ("same id", ", ".join(f"{other['fun']} of master {other['master_id']}" for other in job.get("same_jid", ()))),
    ]
    lines = facts(told, width)
    lines += section("states that failed", job["failed_states"], _STATES, width)
    lines += section("answers", [row for row in job["answers"] if row["answered"]], _ANSWERS, width)
    return "\n".join(lines)


def _minion(minion: Mapping[str, Any], width: int) -> str:
    run = minion["last_state_run"] or {}
    counts = f"{run.get('states')} states, {run.get('changed')} changed, {run.get('failed')} failed"
    when = f"{_cell('stamp', run.get('stamp'))} UTC, {run.get('fun')} {run.get('jid')}, {counts}"
    told = [
        ("minion", minion["minion_id"]),
        ("outcome", minion["outcome"]),
        ("last state run", when if run.get("jid") else "never"),
        ("last seen", _cell("stamp", (minion["last_seen"] or "-"))),
        ("first seen", _cell("stamp", (minion["first_seen"] or "-"))),
        ("master", minion["master_id"]),
    ]
    return "\n".join(facts(told, width) + section("last returns", minion["last_runs"], _RUNS, width))


def _arguments(arguments: Any) -> str:
    if not isinstance(arguments, list):
        return ""
    parts = []
    for one in arguments:
        if isinstance(one, Mapping):
            parts += [f"{key}={_argument(value)}" for key, value in one.items() if key != "__kwarg__"]
        else:
            parts.append(_argument(one))
    return " ".join(parts)


def _argument(value: Any) -> str:
    # As it was typed, which yes and no were not.
    return _cell("", str(value) if isinstance(value, bool) or value is None else value)


def facts(pairs: Sequence[tuple[str, Any]], width: int) -> list[str]:
    """
    Return names and values as lines; what is empty is left out, and what is long goes on in the next lines.

    :param pairs: the names and the values.
    :param width: of the terminal.
    """
    told = [(name, _cell("", value)) for name, value in pairs if value not in (None, "")]
    room = max((len(name) for name, _ in told), default=0) + 2
    return [line for name, value in told for line in _fact(f"{name:<{room}}", value, max(width, room + _LAST))]


def _fact(name: str, value: str, width: int) -> list[str]:
    most = _FACT_LINES * (width - len(name))
    indent = " " * len(name)
    return textwrap.wrap(
        _clipped(value, most),
        width,
        initial_indent=name,
        subsequent_indent=indent,
        break_on_hyphens=False,
        max_lines=_FACT_LINES,
        placeholder=" ...",
    ) or [name.rstrip()]


def section(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], width: int) -> list[str]:
    """
    Return a table with a title above it as lines; none if it has no rows.

    :param title: above it.
    :param rows: the rows.
    :param columns: as in :func:`table`.
    :param width: of the terminal.
    """
    if not rows:
        return []
    more = [f"... and {len(rows) - _MOST_LINES} more; --out=json has all"] if len(rows) > _MOST_LINES else []
    return ["", f"{title}:", *table(rows[:_MOST_LINES], columns, width), *more]
