"""
Convert a config of salt-eventsd 0.9.3 into today's, as YAML text with comments.

``source`` reads what there is, ``old`` says what it may hold,
``general`` and ``backends`` turn the daemon's settings and its
backends into workers, ``rules`` its events into rules, for which
``template`` makes statements of templates. ``block`` writes it down.
Whatever is left out or chosen is said in a comment.
"""

from salt_eventsd.operate.convert.converter import Converted, convert
from salt_eventsd.operate.convert.source import convert_path

__all__ = ["Converted", "convert", "convert_path"]
