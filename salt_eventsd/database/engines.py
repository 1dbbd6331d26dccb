"""
Connect: a worker's options become a SQLAlchemy engine, which opens no connection before the first write.

The password is in the engine's URL and nowhere else; :func:`shown` hides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from salt_eventsd.config.checks import require, require_port
from salt_eventsd.config.explain import explain
from salt_eventsd.database.deadlines import limit
from salt_eventsd.database.dialects import BACKENDS, DRIVERS, dialect_for
from salt_eventsd.database.retention.keep import Keep


class OptionError(ValueError):
    """An option of the sql worker is wrong; ``key`` says which."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key


class SqlOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a sql worker: a URL, or its parts, or a URL whose missing parts stand beside it.

    :param url: any SQLAlchemy URL; a bare dialect gets its usual driver.
    :param driver: dialect and driver, if there is no URL.
    :param connect_seconds: how long a connection may take to be made.
    :param timeout: how long a statement may take, in seconds; what takes longer is cut off and tried again.
    :param too_large: what becomes of a value the database has no room for: "truncate" keeps its beginning and marks it,
        "bury" makes a dead letter of the event.
    :param states: which results of states get a row of their own in ``eventsd_states``.
    :param load: keep the whole of each job and return beside its columns; else only what no column has.
    :param partitions: how long the time is of which a partition of the large tables has the rows; None is "none".
    :param keep: how long rows stay; None is for ever.
    """

    url: str | None = None
    driver: str | None = None
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = None
    database: str | None = None
    connect_seconds: float = 5.0
    timeout: float = 60.0
    too_large: Literal["truncate", "bury"] = "truncate"
    states: Literal["all", "changed_or_failed", "none"] = "all"
    load: bool = True
    partitions: Literal["none", "month", "day"] | None = None
    keep: Keep | None = None

    def __post_init__(self) -> None:
        require_port(self.port)
        for name in ("connect_seconds", "timeout"):
            seconds = getattr(self, name)
            require(0 < seconds <= 3600, f"{name}: expected a number above 0 and up to 3600, got {seconds}")


#: Whoever asks the history waits no longer than this for a connection, and for an answer, in seconds.
CONNECT_SECONDS = 4.0
ANSWER_SECONDS = 8.0

#: The keys of :class:`SqlOptions`.
OPTION_NAMES = tuple(field.name for field in msgspec.structs.fields(SqlOptions))


def read_options(options: Mapping[str, Any]) -> SqlOptions:
    """
    Check a worker's options.

    :param options: as they stand in the config.
    :raises OptionError: one of them is wrong.
    """
    try:
        read = msgspec.convert(dict(options), SqlOptions)
    except msgspec.ValidationError as exc:
        wrong = explain(exc, SqlOptions)
        key = ".".join(part for part in (wrong.path.lstrip("."), wrong.key) if part)
        raise OptionError(key, wrong.what) from None
    if not read.url and not read.driver:
        raise OptionError("url", "missing; expected a SQLAlchemy URL such as postgresql://user:password@host/database")
    return read


def make_url_of(options: SqlOptions) -> URL:
    """
    Return the URL of a database.

    :param options: from :func:`read_options`.
    :raises OptionError: it is no URL, or of a dialect that is not installed.
    """
    if options.url:
        try:
            url = make_url(options.url)
        except (ArgumentError, ValueError):
            # SQLAlchemy's message repeats the URL, password and all.
            raise OptionError("url", "not a SQLAlchemy URL such as postgresql://user:password@host/database") from None
        if "@" in (url.host or "") or ("@" in (url.database or "") and not _is_file(url)):
            # Part of the password would pass for the host, and every error of a connection would show it.
            raise OptionError("url", "more than one @; one within a user's name or a password is written as %40")
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
    else:
        driver = options.driver or ""
        url = URL.create(DRIVERS.get(driver, driver))
    if _is_file(url):
        # A file has no user and no host; those of the defaults are meant for other workers.
        return url.set(database=url.database or options.database)
    return url.set(
        username=url.username or options.user,
        password=url.password or options.password,
        host=url.host or options.host,
        port=url.port or options.port,
        database=url.database or options.database,
    )


def make_reader(options: SqlOptions, seconds: float = ANSWER_SECONDS) -> Engine:
    """
    Return an engine for questions: it changes nothing, and whoever waits for its answer waits no longer than some
    seconds for a database that is away or frozen.

    :param options: from :func:`read_options`.
    :param seconds: how long a statement may take.
    :raises OptionError: the URL is wrong or its driver is missing.
    """
    limits = {
        "connect_seconds": min(options.connect_seconds, CONNECT_SECONDS),
        "timeout": min(options.timeout, seconds),
    }
    return make_engine(msgspec.structs.replace(options, **limits), reads_only=True)


def make_engine(options: SqlOptions, concurrency: int = 1, *, reads_only: bool = False) -> Engine:
    """
    Return an engine that opens its first connection when it is first used.

    :param options: from :func:`read_options`.
    :param concurrency: how many connections are used at once, besides one for prio events.
    :param reads_only: what would change the database is refused.
    :raises OptionError: the URL is wrong or its driver is missing.
    """
    url = make_url_of(options)
    key = "url" if options.url else "driver"
    try:
        url.get_dialect()
        if url.get_backend_name() not in BACKENDS:
            raise OptionError(key, f"{url.get_backend_name()} is not supported; expected one of {', '.join(BACKENDS)}")
        dialect = dialect_for(url.get_backend_name())
        if wrong := dialect.session.wrong_with(url):
            raise OptionError("url" if options.url else "database", wrong)
        if reads_only:
            url = dialect.session.to_read(url)
        engine = sa.create_engine(
            url,
            **_pool(concurrency, is_file=dialect.session.is_file, reads_only=reads_only),
            # Values of JSON columns come as JSON text already.
            json_serializer=_as_it_is,
            # Values of a failing statement may be secrets.
            hide_parameters=True,
            connect_args=dialect.session.connect_args(url.get_driver_name(), options.connect_seconds, options.timeout),
            **dialect.session.engine_args(url.get_driver_name()),
        )
    except NoSuchModuleError:
        raise OptionError(key, f"no SQLAlchemy dialect for {url.drivername!r}") from None
    except ModuleNotFoundError as exc:
        missing = exc.name or url.get_driver_name()
        package = _package_of(url, missing)
        raise OptionError(key, f"driver {missing!r} is not installed: salt-pip install {package}") from None
    if options.partitions in ("month", "day") and not dialect.partitions.known:
        raise OptionError(
            "partitions", f"{url.get_backend_name()} has none; expected none, or a PostgreSQL or MariaDB database"
        )
    if reads_only:
        dialect.session.prepare_to_read(engine, options.timeout)
    else:
        dialect.session.prepare(engine, options.timeout)
    limit(engine, dialect.session, options.timeout, min(options.timeout, max(2.0, options.connect_seconds)))
    return engine


def _pool(concurrency: int, *, is_file: bool, reads_only: bool) -> dict[str, Any]:
    """Return the arguments of ``create_engine`` that say which connections are kept."""
    if not reads_only:
        # What a connection has of a file in memory is right until another connection writes.
        return {"pool_size": concurrency + 1, "max_overflow": 0, "pool_timeout": 30, "pool_use_lifo": is_file}
    if is_file:
        # A file is opened in no time. One that is kept open may have been replaced, and must not be shared by a fork.
        return {"poolclass": sa.NullPool}
    # As many as ask at once, of which one stays.
    return {"pool_size": 1, "max_overflow": -1}


def shown(url: URL) -> str:
    """Return a URL without its password."""
    return url.render_as_string(hide_password=True)


def _is_file(url: URL) -> bool:
    backend = url.get_backend_name()
    return backend in BACKENDS and dialect_for(backend).session.is_file


def _package_of(url: URL, module: str) -> str:
    backend = url.get_backend_name()
    known = dialect_for(backend).session.packages if backend in BACKENDS else {}
    return known.get(module.lower(), module)


def _as_it_is(text: str) -> str:
    return text
