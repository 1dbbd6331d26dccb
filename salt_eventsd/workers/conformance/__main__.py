"""``python -m salt_eventsd.workers.conformance``: does a worker module keep the contract?"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import salt.utils.yaml

from salt_eventsd.config.structs import OF_ANY_WORKER
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.conformance import CHECKS, Subject
from salt_eventsd.workers.conformance.report import run

_EXAMPLE = "a mapping of the worker's options, such as {path: /tmp/events.jsonl}"


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the suite against a worker module, and print what it finds.

    :param arguments: of the command; those of the process if None.
    :returns: 0 if the contract is kept, 1 if it is not, 2 if the worker could not be made.
    """
    given = _parser().parse_args(arguments)
    try:
        options = _options(given.options)
        subject = Subject(
            given.module,
            options,
            None if given.away is None else {**options, **_options(given.away)},
            _arrived(given.arrived, options),
            given.once,
            given.seconds,
        )
        subject.make()
        subject.close()
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return 2
    return 1 if run(subject, CHECKS) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m salt_eventsd.workers.conformance",
        description="Check whether a worker module keeps the contract of docs/writing_a_worker.rst. The worker writes"
        " events into the place that the options name; let that be one for tests.",
        epilog="Returns 0 if the contract is kept, 1 if it is not, 2 if the worker could not be made.",
    )
    parser.add_argument(
        "module", help="a file such as my_worker.py, or the name of a module that comes with salt-eventsd"
    )
    parser.add_argument("--options", metavar="FILE", help="YAML: the worker's options, as they stand under its name")
    parser.add_argument(
        "--away", metavar="FILE", help="YAML: options to change so that the place is away: a wrong port"
    )
    parser.add_argument(
        "--arrived",
        metavar="FILE",
        help="Python: a file with arrived(options), which returns the tags of the events in the place, in order",
    )
    parser.add_argument("--once", action="store_true", help="an event that is sent twice has to be there once")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long each call may take (%(default)g)")
    return parser


def _options(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            found = salt.utils.yaml.safe_load(file)
    except OSError as exc:
        raise ConfigError([f"{path}: {exc.strerror}; expected a file with {_EXAMPLE}"]) from exc
    except Exception as exc:
        raise ConfigError([f"{path}: no YAML: {one_line(exc)}"]) from exc
    if not isinstance(found, Mapping):
        raise ConfigError([f"{path}: expected {_EXAMPLE}, got {type(found).__name__}"])
    return {str(key): value for key, value in found.items() if key not in OF_ANY_WORKER}


def _arrived(path: str | None, options: Mapping[str, Any]) -> Callable[[], Iterable[str]] | None:
    if path is None:
        return None
    spec = importlib.util.spec_from_file_location("eventsd_conformance_arrived", path)
    if spec is None or spec.loader is None:
        raise ConfigError([f"{path}: expected a Python file with arrived(options)"])
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        look: Callable[[Mapping[str, Any]], Iterable[str]] = module.arrived
    except Exception as exc:
        raise ConfigError([f"{path}: expected a Python file with arrived(options): {one_line(exc)}"]) from exc
    return lambda: look(options)


if __name__ == "__main__":
    sys.exit(main())
