"""Databases with our tables, made as copies of one that a worker has made them in: that costs a tenth."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from tests.support.server import Server
from tests.support.stores import Database


class Template:
    """
    A database that is copied.

    :param database: the database; nobody uses it for anything else.
    :param server: where it is; None for a file.
    """

    def __init__(self, database: Database, server: Server | None) -> None:
        self._server = server
        self._url = sa.make_url(database.url)
        database.make_tables()
        database.close()
        self._statements = _statements(database) if database.kind == "mysql" else []

    def copy(self, folder: Path) -> str:
        """
        Return the URL of a copy.

        :param folder: where a file goes.
        """
        assert self._url.database
        if self._server is None:
            path = folder / "history.db"
            shutil.copy(self._url.database, path)
            return f"sqlite:///{path}"
        if not self._statements:
            return self._server.new_database(f"TEMPLATE {self._url.database}")
        url = self._server.new_database()
        self._server.execute(*self._statements, database=str(sa.make_url(url).database))
        return url


@cache
def template_of(server: Server) -> Template:
    """Return the template on a server."""
    return Template(Database(server.new_database()), server)


def _statements(database: Database) -> list[str]:
    """Return what makes the tables and views of a MariaDB in another database, with what is in them."""
    own = f"`{sa.make_url(database.url).database}`."
    found = []
    # The views come last.
    for name, kind in sorted(database.query("SHOW FULL TABLES"), key=lambda one: one[1]):
        word = "VIEW" if kind == "VIEW" else "TABLE"
        found.append(str(database.query(f"SHOW CREATE {word} `{name}`")[0][1]).replace(own, ""))
        if word == "TABLE":
            found.append(f"INSERT INTO `{name}` SELECT * FROM {own}`{name}`")
    return found
