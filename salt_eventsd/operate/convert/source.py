"""Read an old config from where it is: a file, or a folder of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import salt.utils.dictupdate

from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.convert.converter import convert_data
from salt_eventsd.operate.convert.old import read_yaml

#: What an old config is called in a folder that holds other things as well.
_USUAL_NAME = "eventsd"
_SUFFIXES = (".conf", ".yaml", ".yml")


def convert_path(path: Path) -> str:
    """
    Return today's config for an old one.

    :param path: the old config: a file such as ``/etc/salt/eventsd``, or a folder with one.
    :raises EventsdError: there is none, it cannot be read, or it is no config of salt-eventsd 0.9.3.
    """
    data: dict[str, Any] = {}
    for file in _files(path):
        part = read_yaml(_content(file), str(file))
        data = salt.utils.dictupdate.update(data, part) if data else dict(part)
    return convert_data(data, str(path)).text


def _files(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        if (path / _USUAL_NAME).is_file():
            return [path / _USUAL_NAME]
        files = sorted(one for one in path.iterdir() if one.suffix in _SUFFIXES and one.is_file())
    except OSError as exc:
        raise EventsdError(f"eventsd.convert: path: {path}: {exc.strerror}") from None
    if not files:
        raise EventsdError(
            f"eventsd.convert: path: {path}: neither a file {_USUAL_NAME} in this folder nor one that ends in "
            f"{', '.join(_SUFFIXES)}; expected the old config, which used to be /etc/salt/eventsd"
        )
    return files


def _content(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise EventsdError(
            f"eventsd.convert: path: {file}: there is no such file; expected the old config, which used to be "
            "/etc/salt/eventsd"
        ) from None
    except OSError as exc:
        raise EventsdError(f"eventsd.convert: path: {file}: {exc.strerror}") from None
    except UnicodeDecodeError as exc:
        raise EventsdError(
            f"eventsd.convert: path: {file}: expected text in UTF-8, got byte {exc.object[exc.start]:#04x} at "
            f"{exc.start}"
        ) from None
