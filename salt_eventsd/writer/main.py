"""
The command ``salt-eventsd-writer``.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd import __version__
from salt_eventsd.config.checks import is_path
from salt_eventsd.config.options import placed
from salt_eventsd.exceptions import ConfigError, EventsdError
from salt_eventsd.redact.error_text import masked
from salt_eventsd.writer.carry.source import said
from salt_eventsd.writer.check import check
from salt_eventsd.writer.config import FOLDER, WriterConfig, options, read
from salt_eventsd.writer.jetstream import Servers
from salt_eventsd.writer.letters import Filter, dead, delete, put_back
from salt_eventsd.writer.process import run
from salt_eventsd.writer.told.status import page, status

_WRONG = 2


class _Masking(logging.Formatter):
    """Shows no password that a library repeats."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Do what the arguments say, and return the exit code: 0 well, 1 degraded, 2 down or wrong.

    :param arguments: of the command; None for those that it was called with.
    """
    given = _parser().parse_args(arguments)
    try:
        if given.check:
            return _shown(check(given.config), given.json, _check_page)
        if given.verb == "status":
            return _status(given.config, given.json)
        if given.verb is None:
            _log_to_stderr(given.log_level)
            return run(given.config)
        config = read(given.config)
        return _shown(_letters(config, given), given.json, _plain_page)
    except ConfigError as exc:
        for problem in exc.problems:
            print(problem, file=sys.stderr)
    except EventsdError as exc:
        print(f"eventsd: {said(exc)}", file=sys.stderr)
    return _WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="salt-eventsd-writer",
        description="Writes what masters have sent through a broker (module: central) into databases.",
    )
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="the configuration")
    parser.add_argument("--check", action="store_true", help="check the configuration, and run nothing")
    parser.add_argument("--json", action="store_true", help="answer with JSON")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs (without one, the writer runs)")
    for name, about in (
        ("status", "tell how the writer of this configuration fares"),
        ("dead", "list dead letters of all writers"),
        ("requeue", "have dead letters written again"),
        ("discard", "delete dead letters for good"),
    ):
        verb = verbs.add_parser(name, help=about)
        verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="answer with JSON")
        if name != "status":
            verb.add_argument("ids", nargs="*", type=int, metavar="ID", help="only these")
            verb.add_argument("--worker", default="", help="only those of this worker")
            verb.add_argument("--contains", default="", help="only those whose error or tag contains this text")
        if name == "dead":
            verb.add_argument("--limit", type=int, default=20, help="no more than so many")
        if name in ("requeue", "discard"):
            verb.add_argument("--all", action="store_true", help="all of them")
    return parser


def _letters(config: WriterConfig, given: argparse.Namespace) -> dict[str, Any]:
    which = Filter(given.ids, given.worker, given.contains)
    broker = Servers(config.source)
    try:
        if given.verb == "dead":
            return dead(broker, which, given.limit)
        if not (given.all or given.ids or given.worker or given.contains):
            raise ConfigError([f"eventsd: {given.verb}: which? ids, --worker, --contains or --all"])
        return (put_back if given.verb == "requeue" else delete)(broker, which)
    finally:
        broker.close()


def _status(path: str, as_json: bool) -> int:
    problems: list[str] = []
    try:
        place = read(path).config.general.state_file
    except ConfigError as exc:
        problems, place = exc.problems, _state_file(path)
    return _shown(status(Path(place), problems), as_json, page)


def _state_file(path: str) -> str:
    """Where the state file is if the configuration is wrong, as far as that can be told."""
    usual = f"{FOLDER}/{Path(path).stem}.status.json"
    try:
        block = options(path)["eventsd"]
    except ConfigError:
        return usual
    given = block.get("state_file") if isinstance(block, dict) else None
    return str(placed(given, FOLDER)) if isinstance(given, str) and is_path(given) else usual


def _shown(told: dict[str, Any], as_json: bool, as_page: Any) -> int:
    print(msgspec.json.format(msgspec.json.encode(told)).decode() if as_json else as_page(told))
    return int(told["retcode"])


def _check_page(told: dict[str, Any]) -> str:
    lines = [*told["problems"], *told["notes"], f"config: {told['config']}"]
    lines += [f"source: {told['source']}"] if "source" in told else []
    return "\n".join([*lines, *(f"{name}: {how}" for name, how in told.get("workers", {}).items())])


def _plain_page(told: dict[str, Any]) -> str:
    lines = []
    for letter in told.get("letters", []):
        lines += [f"{key}: {value}" for key, value in letter.items()] + [""]
    lines += [f"{key}: {value}" for key, value in told.items() if key not in ("letters", "retcode")]
    return "\n".join(lines) or "none"


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Masking("%(levelname)s %(message)s"))
    # Salt has put handlers of its own there, which wait for a configuration that never comes.
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


if __name__ == "__main__":
    sys.exit(main())
