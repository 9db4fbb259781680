"""Open the catalogue: SQLite beside the workspace by default, PostgreSQL in production; always migrated to head.

book = catalog.open("sqlite:////plant/.otoloop/catalog.db")
with book.session() as session:              # one write transaction, all or nothing
clips.add_clip(session, ...)
with book.reading() as session:              # reads that never wait for a writer
rows = clips.clips(session, site="osaka")
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.orm import Session

from otoloop.catalog.failures import explained
from otoloop.catalog.migrations import HEAD
from otoloop.errors import OtoloopError

BUSY_MS = 30_000
MIGRATION_LOCK = 0x07010099
"""Advisory lock of PostgreSQL under which two processes that start together migrate one after the other."""


@dataclass(frozen=True)
class Catalog:
    """An open catalogue. Cheap to keep for a whole process; safe to share between threads."""

    engine: Engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One write transaction: commits at the end of the block, rolls back on any exception.

        Rows stay readable after the block. Keep blocks short: SQLite has one writer at a time.
        """
        writing = self.engine.execution_options(begin="IMMEDIATE")
        with explained(self.engine.url), Session(writing, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view for reading; changes made in it are rolled back, rows stay readable after the block."""
        reader = self.engine.execution_options(begin="DEFERRED")
        with explained(self.engine.url), Session(reader, expire_on_commit=False) as session:
            yield session
            session.expunge_all()  # a rollback empties the rows it knows; readers keep theirs
            session.rollback()

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def open_catalog(url: str) -> Catalog:
    """Connect to ``url`` (any SQLAlchemy URL of SQLite or PostgreSQL) and migrate it to head.

    Raises:
        OtoloopError: the URL is wrong, the server does not answer, or the schema is newer than this program.
    """
    engine = _engine(url)
    with explained(engine.url):
        _make_private(engine)
        _migrate(engine)
    return Catalog(engine)


def revision_of(url: str) -> str | None:
    """The revision of a catalogue's schema, which is left as it is; None where nothing was written yet.

    Raises:
        OtoloopError: the URL is wrong, or the database does not answer.
    """
    engine = _engine(url)
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    if file is not None and not Path(file).exists():
        return None
    try:
        with explained(engine.url):
            return _revision(engine)
    finally:
        engine.dispose()


def default_url(workspace: Path, database_url: str | None = None) -> str:
    """``database_url`` when given (``OTOLOOP_DATABASE_URL``), else SQLite in the workspace's ``.otoloop``."""
    return database_url or f"sqlite:///{workspace.resolve() / '.otoloop' / 'catalog.db'}"


def open_workspace(workspace: Path, database_url: str | None = None) -> Catalog:
    """The catalogue of a workspace; its ``.otoloop`` folder is made on demand."""
    if not database_url:
        (workspace / ".otoloop").mkdir(mode=0o700, exist_ok=True)
    return open_catalog(default_url(workspace, database_url))


def _engine(url: str) -> Engine:
    """An engine for SQLite or PostgreSQL; anything else is refused."""
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ArgumentError(f"{parsed.get_backend_name()} is not supported")
        arguments = _connect_args(parsed.get_backend_name())
        engine = create_engine(parsed, connect_args=arguments, pool_pre_ping=True, json_serializer=_to_json)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as err:
        remedy = "Use sqlite:////path/catalog.db or postgresql://user@host/name (pip install 'otoloop[postgres]')."
        raise OtoloopError(f"OTOLOOP_DATABASE_URL is not usable: {err}.", remedy) from err
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine)
    return engine


def _to_json(value: Any) -> str:
    """JSON that every database takes: no NaN or infinity (they become null), no NUL characters, numpy numbers plain."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, str):
        return value.replace("\x00", "")
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _connect_args(backend: str) -> dict[str, Any]:
    return {"timeout": BUSY_MS / 1000, "check_same_thread": False} if backend == "sqlite" else {"connect_timeout": 10}


def _tune_sqlite(engine: Engine) -> None:
    """Make SQLite safe for several processes: write-ahead log, waiting writers, real transactions, foreign keys.

    The driver's own transaction control begins too late (at the first write), so that two writers that read first
    fail with "database is locked"; we begin explicitly instead (SQLAlchemy, "Serializable isolation / Savepoints").
    """

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")


def _make_private(engine: Engine) -> None:
    """Make a new SQLite file for its owner alone: it holds hashes of passwords. Files beside it get the mode of it."""
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    if path and path != ":memory:" and not path.startswith("file:"):
        with suppress(OSError):  # it is there already, or cannot be made, which the first query will say
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _migrate(engine: Engine) -> None:
    """Bring the schema to head; a no-op of one query when it is there already."""
    if _revision(engine) == HEAD:
        return
    with engine.execution_options(begin="IMMEDIATE").begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        _upgrade(connection)


def _revision(engine: Engine) -> str | None:
    """The schema's revision, or None for an empty database."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    """Run Alembic inside the given transaction: a killed migration leaves nothing behind."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "otoloop.catalog:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as err:
        remedy = "Upgrade otoloop, or open this catalogue with the version that wrote it."
        raise OtoloopError(f"The catalogue was written by another version of otoloop: {err}.", remedy) from err
