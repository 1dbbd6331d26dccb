"""Makes HTML of these pages: ``make docs``. The pages read as well where a repository is browsed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.nodes import get_node_source

import salt_eventsd

project = "salt-eventsd"
author = "the salt-eventsd maintainers"
version = release = salt_eventsd.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
nitpicky = True
# What autodoc finds in signatures is Salt's, SQLAlchemy's or private.
nitpick_ignore_regex = [("py:.*", ".*")]
html_theme = "furo"
html_title = f"salt-eventsd {version}"
autodoc_member_order = "bysource"
autodoc_typehints = "description"

_DOCS = Path(__file__).parent
#: Files outside of this folder that have a page of their own here.
_ELSEWHERE = {"README.rst": "readme", "eventsd/README.rst": "formula", "CHANGELOG.rst": "changelog"}


class LinksToFiles(SphinxTransform):
    """
    Turn a link to a file of the repository into one to its page, or into a download where it has none.

    A link to ``configuration.rst`` works where a repository is browsed; in HTML it would lead nowhere.
    """

    default_priority = 10

    def apply(self, **_kwargs: Any) -> None:
        """Look at each link of the document."""
        for link in list(self.document.findall(nodes.reference)):
            target = link.get("refuri", "")
            if target and ":" not in target and not target.startswith("#"):
                link.replace_self(self._to(link, target))

    def _to(self, link: nodes.reference, target: str) -> nodes.Element:
        # An included file stands in another folder than the page that includes it.
        source = Path(get_node_source(link) or self.document["source"])
        path = (source.parent / target).resolve()
        name = path.relative_to(_DOCS.parent.resolve()).as_posix()
        page = path.stem if path.parent == _DOCS.resolve() else _ELSEWHERE.get(name)
        text = link.astext()
        if page:
            return pending_xref(
                "", nodes.inline("", text), refdomain="std", reftype="doc", reftarget=page, refdoc=self.env.docname,
                refexplicit=True, refwarn=True,
            )  # fmt: skip
        if path.is_file():
            inside = nodes.literal("", text)
            return download_reference(
                "", "", inside, refdoc=self.env.docname, reftarget=f"/../{name}", reftype="download"
            )
        if path.is_dir():
            return nodes.literal("", f"{name}/")
        raise ValueError(f"{source}: there is no {target}")


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.add_transform(LinksToFiles)
