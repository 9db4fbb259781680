"""Two catalogues for every test: SQLite always, PostgreSQL under its marker (own throw-away server, or a given URL)."""

import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from otoloop import catalog
from otoloop.catalog import clips, items
from otoloop.catalog.database import Catalog
from otoloop.records import Clip, Item


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    server = request.getfixturevalue("postgres_server")
    name = f"t{uuid.uuid4().hex[:12]}"
    with create_engine(server, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return server.rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture
def book(url: str) -> Iterator[Catalog]:
    opened = catalog.open(url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if given := os.environ.get("POSTGRES_TEST_URL"):
        yield given
        return
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("NOT TESTED ON POSTGRESQL: no initdb/pg_ctl here and no POSTGRES_TEST_URL")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = Path("/tmp") / f"otoloop-pg-{uuid.uuid4().hex[:8]}"
    home.mkdir()
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(home, user)
    data, log = str(home / "data"), str(home / "log")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=user, cwd=home, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    run("initdb", "-D", data, "-A", "trust", "-U", "otoloop", "-E", "UTF8", "--locale=C", "-N")
    run("pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
    try:
        yield f"postgresql+psycopg://otoloop@127.0.0.1:{port}/postgres"
    finally:
        with suppress(subprocess.CalledProcessError):
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def a_clip(book: Catalog) -> str:
    with book.session() as session:
        put_clip(session, "c1")
    return "c1"


def put_clip(session, clip_id: str, *, site: str = "osaka", machine: str = "pump-3", hour: int = 8, **more) -> None:
    time = datetime(2026, 5, 1, hour, tzinfo=UTC)
    clip = Clip(
        id=clip_id, site=site, machine=machine, time=time.isoformat(), seconds=4.0, rate=16000, channels=1
    )  # fmt: skip
    more.setdefault("recording_session", f"{site}/{machine}/2026-05-01")
    clips.add_clip(session, clip, time=time, **more)


def put_item(session, item_id: str, clip: str = "c1", **more) -> None:
    base = {"question": "What is it?", "answer": "air leak", "choices": ("air leak", "rub"), "answer_letter": "A"}
    items.add_items(session, [Item(id=item_id, clip=clip, **{**base, **more})])
