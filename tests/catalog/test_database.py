import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from otoloop import catalog
from otoloop.catalog import clips, machines
from otoloop.catalog.migrations import HEAD
from otoloop.catalog.tables import Base
from otoloop.errors import OtoloopError

from .conftest import put_clip


def test_the_migrated_schema_is_the_schema_of_the_models(book):
    with book.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_head_names_the_newest_migration():
    folder = Path(catalog.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_opening_again_keeps_the_data(book, url):
    with book.session() as session:
        put_clip(session, "c1")
    with catalog.open(url).reading() as session:
        assert [row.id for row in clips.clips(session)] == ["c1"]


def test_a_new_database_is_its_owners_alone(tmp_path):
    book = catalog.open_workspace(tmp_path)
    with book.session() as session:
        put_clip(session, "c1")
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / ".otoloop").iterdir()}
    assert modes == dict.fromkeys(("catalog.db", "catalog.db-wal", "catalog.db-shm"), 0o600)
    assert (tmp_path / ".otoloop").stat().st_mode & 0o777 == 0o700
    book.close()


def test_a_failed_block_writes_nothing(book):
    with pytest.raises(RuntimeError), book.session() as session:
        put_clip(session, "c1")
        raise RuntimeError("killed")
    with book.reading() as session:
        assert not clips.has_clip(session, "c1")


def test_a_catalogue_of_a_newer_otoloop_is_refused(book, url):
    with book.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OtoloopError, match="another version of otoloop"):
        catalog.open(url)


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite:////no/such/folder/c.db"])
def test_a_wrong_url_is_explained(url):
    with pytest.raises(OtoloopError) as caught:
        catalog.open(url)
    assert "OTOLOOP_DATABASE_URL" in str(caught.value)


def test_a_dead_server_is_named_without_its_password():
    pytest.importorskip("psycopg")
    with pytest.raises(OtoloopError) as caught:
        catalog.open("postgresql://me:secret@127.0.0.1:1/x")
    assert "127.0.0.1" in str(caught.value) and "secret" not in str(caught.value)


def test_times_come_back_in_utc_and_naive_ones_are_refused(book):
    jst = timezone(timedelta(hours=9))
    with book.session() as session:
        machines.set_mark(session, "reconcile", datetime(2026, 5, 1, 9, tzinfo=jst))
    with book.reading() as session:
        assert machines.mark(session, "reconcile") == datetime(2026, 5, 1, tzinfo=UTC)
        assert machines.mark(session, "other") is None
    with pytest.raises(Exception, match="naive time"), book.session() as session:
        machines.set_mark(session, "x", datetime(2026, 5, 1))


def test_json_columns_take_what_measuring_gives(book):
    odd = {"a": float("nan"), "b": np.float32(2), "c": [np.int64(1), float("inf")], "d": "x\x00y", "e": np.arange(2)}
    with book.session() as session:
        put_clip(session, "c1", measures=odd)
    with book.reading() as session:
        measures = clips.clip(session, "c1").measures
    assert measures == {"a": None, "b": 2.0, "c": [1, None], "d": "xy", "e": [0, 1]}


def test_many_writers_wait_for_each_other(book):
    with book.session() as session:
        machines.set_mark(session, "n", datetime(2026, 1, 1, tzinfo=UTC))

    def add_a_minute() -> None:
        for _ in range(10):
            with book.session() as session:
                held = session.execute(text("SELECT time FROM marks WHERE name = 'n'" + lock)).scalar_one()
                assert held
                moved = machines.mark(session, "n")
                machines.set_mark(session, "n", moved + timedelta(minutes=1))

    lock = " FOR UPDATE" if book.engine.dialect.name == "postgresql" else ""
    threads = [threading.Thread(target=add_a_minute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with book.reading() as session:
        assert machines.mark(session, "n") == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=40)


def test_processes_that_start_together_migrate_once(tmp_path):
    program = f"from otoloop import catalog; catalog.open('sqlite:///{tmp_path}/c.db')"
    runs = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
