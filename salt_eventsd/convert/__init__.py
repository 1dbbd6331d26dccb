"""
Convert a config of salt-eventsd 0.9.3 into today's, as YAML text with comments.

:mod:`~salt_eventsd.convert.source` reads what there is, :mod:`~salt_eventsd.convert.old` says what it may hold,
:mod:`~salt_eventsd.convert.general` and :mod:`~salt_eventsd.convert.backends` turn the daemon's settings and its
backends into workers, :mod:`~salt_eventsd.convert.rules` its events into rules, for which
:mod:`~salt_eventsd.convert.template` makes statements of templates. :mod:`~salt_eventsd.convert.block` writes it down.
Whatever is left out or chosen is said in a comment.
"""

from salt_eventsd.convert.converter import Converted, convert
from salt_eventsd.convert.source import convert_path

__all__ = ["Converted", "convert", "convert_path"]
