"""
The configuration of salt-eventsd 0.9.3: its four parts, which are mappings of plain data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from salt_eventsd.config.plain import yaml_fault
from salt_eventsd.exceptions import EventsdError

#: Where each backend has its login.
CREDENTIALS = ("worker_credentials", "worker_settings")
_PARTS = ("general", *CREDENTIALS, "events")


@dataclass(frozen=True)
class Old:
    """
    An old config.

    :param general: the daemon's settings.
    :param credentials: what stands under each backend's name, and under ``all``.
    :param events: name -> event.
    :param unknown: other keys beside those.
    :param raw: the whole of it.
    """

    general: Mapping[str, Any]
    credentials: Mapping[str, Mapping[str, Any]]
    events: Mapping[str, Any]
    unknown: tuple[str, ...]
    raw: Mapping[str, Any]


def read_yaml(text: str, name: str) -> Mapping[str, Any]:
    """
    Return what a file holds.

    :param text: YAML.
    :param name: the file, for what is said about it.
    :raises EventsdError: it is not YAML, or no mapping.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise EventsdError(f"eventsd.convert: path: {name}: not YAML: {yaml_fault(exc, text)}") from None
    except (ValueError, RecursionError) as exc:
        raise EventsdError(f"eventsd.convert: path: {name}: not YAML: {exc}") from None
    if data is None:
        raise EventsdError(f"eventsd.convert: path: {name}: empty; expected {', '.join(_PARTS)}")
    if not isinstance(data, Mapping):
        raise EventsdError(f"eventsd.convert: path: {name}: expected a mapping, got {_kind(data)}")
    return data


def read(data: Mapping[str, Any], name: str) -> Old:
    """
    Take an old config apart.

    :param data: from :func:`read_yaml`.
    :param name: the file, for what is said about it.
    :raises EventsdError: it is no config of salt-eventsd 0.9.3, or a part of it is no mapping.
    """
    if not any(part in data for part in _PARTS):
        hint = ": it is one of today's" if "eventsd" in data or "engines" in data else ""
        raise EventsdError(
            f"eventsd.convert: path: {name}: no config of salt-eventsd 0.9.3{hint}; expected {', '.join(_PARTS)}"
        )
    credentials: dict[str, Mapping[str, Any]] = {}
    for part in reversed(CREDENTIALS):
        for backend, entry in _mapping(data, part, name).items():
            credentials[str(backend)] = _mapping({backend: entry}, backend, name, f"{part}.")
    return Old(
        general=_mapping(data, "general", name),
        credentials=credentials,
        events={str(key): event for key, event in _mapping(data, "events", name).items()},
        unknown=tuple(str(key) for key in data if key not in _PARTS),
        raw=data,
    )


def _mapping(parent: Mapping[Any, Any], key: Any, name: str, where: str = "") -> Mapping[Any, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise EventsdError(f"eventsd.convert: path: {name}: {where}{key}: expected a mapping, got {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}.get(
        type(value), type(value).__name__
    )
