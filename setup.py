"""What ``setup.cfg`` cannot say: on a package index the README stands alone, so links to files become their names."""

import re
from pathlib import Path

from setuptools import setup

_LINK_TO_FILE = re.compile(r"`([^`<]+) <(?!https?:)[^>`]+>`_")

setup(long_description=_LINK_TO_FILE.sub(r"``\1``", Path(__file__).with_name("README.rst").read_text("utf-8")))
