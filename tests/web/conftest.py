"""A workspace with simulated clips, drafted items and the pages over it; the sound as FLAC bytes."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from otoloop import catalog
from otoloop.audio.evidence import measure_batch
from otoloop.catalog import clips, items, machines, notes
from otoloop.params import load_params
from otoloop.reasoning.draft import run
from otoloop.records import Clip, Note
from otoloop.web.accounts import Accounts
from otoloop.web.app import create_app

FAULTS = ["bearing_outer", "electrical_hum", "belt_squeal"]


@pytest.fixture(scope="session")
def sounds():
    """(clip id, fault, FLAC bytes, evidence, machine, sensors) of six simulated clips."""
    scenes = pytest.importorskip("otoloop.simulate.scenes")
    drawn = scenes.sample(np.random.default_rng(9), 6, faults=FAULTS, split="site", seconds=3.0)
    waves = scenes.numpy_render(drawn)
    evidence = measure_batch(waves, 16000, np)
    return [(*_coded(waves[i]), str(drawn.fault[i]), evidence[i], drawn.machine(i), drawn.sensors(i)) for i in range(6)]


def _coded(wave):
    out = io.BytesIO()
    soundfile.write(out, wave, 16000, format="FLAC")
    return hashlib.sha256(wave.tobytes()).hexdigest(), out.getvalue()


@pytest.fixture(scope="session")
def made_site(tmp_path_factory, sounds) -> Path:
    """A workspace with six clips and twelve queued items; tests get copies of it."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "params.yaml").write_text("base: otoloop-mini\nreview: {double_share: 0}\n")
    book = catalog.open_workspace(folder)
    with book.session() as session:
        for i, (clip, _, fault, evidence, machine, sensors) in enumerate(sounds):
            time = datetime(2026, 5, 1, 8, tzinfo=UTC) + timedelta(hours=i)
            machines.save_machines(session, [{**machine, "site": "osaka", "machine": f"pump-{i}"}])
            row = Clip(id=clip, site="osaka", machine=f"pump-{i}", time="", seconds=3.0, rate=16000, channels=1)
            clips.add_clip(session, row, time=time, recording_session=f"s{i}",
                           evidence=clips.evidence_json(evidence), sensors=sensors)  # fmt: skip
            notes.set_note(session, clip, Note(text="<b>noisy</b> since Monday", author="ken", fault=fault))
            notes.set_label(session, clip, fault, source="note_field")
    run(book, load_params(folder / "params.yaml"), folder / "memo")
    book.close()
    return folder


@pytest.fixture
def site(tmp_path: Path, made_site: Path) -> Path:
    return Path(shutil.copytree(made_site, tmp_path, dirs_exist_ok=True))


@pytest.fixture
def book(site):
    opened = catalog.open_workspace(site)
    yield opened
    opened.close()


PASSWORD = "a loud pump in the night"
PEOPLE = {"ken": ["technician"], "aya": ["reviewer"], "mori": ["approver"], "root": ["admin"]}


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """Argon2 as in production, with parameters that do not take half a second each."""
    from argon2 import PasswordHasher

    from otoloop.web import accounts

    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", lambda: hasher)
    accounts._nobody.cache_clear()


@pytest.fixture
def door(book):
    return Accounts(book)


@pytest.fixture
def people(door):
    """One account for each role, made as people make them."""
    door.accept(door.first_link(), PASSWORD, name="root")
    for name, roles in PEOPLE.items():
        if name != "root":
            door.accept(door.add(name, roles), PASSWORD)
    return PEOPLE


@pytest.fixture
def app(site, sounds):
    data = {row[0]: row[1] for row in sounds}
    return create_app(site, fetch=data.__getitem__)


@pytest.fixture
def stranger(app):
    """A browser that nobody is logged in with."""
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as opened:
        yield opened


@pytest.fixture
def come_in(app, people):
    """come_in("aya"): a browser with that person logged in, through the form."""
    opened = []

    def browser(name):
        one = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
        opened.append(one)
        sent = {"csrf": token_of(one.get("/log-in").text), "name": name, "password": PASSWORD, "next": "/"}
        assert one.post("/log-in", data=sent).headers["location"] == "/"
        return one

    yield browser
    for one in opened:
        one.close()


@pytest.fixture
def client(come_in):
    """A reviewer's browser."""
    return come_in("aya")


def token_of(page):
    return re.search(r'name="csrf" value="(\w+)"', page).group(1)


@pytest.fixture
def spoiled(book):
    """A queued item whose trace states one wrong frequency."""
    with book.session() as session:
        view = next(v for v in items.items(session, state="queued") if v.item.style == "cot" and "Hz" in v.trace.text)
        text = re.sub(r"(\d+) ?Hz", lambda m: f"{int(m.group(1)) * 3} Hz", view.trace.text, count=1)
        items.add_trace(session, view.item.id, text, drafter="composer")
        return view.item.id


@pytest.fixture
def repo(site):
    """The site under git, as `otoloop init` makes it."""
    from otoloop.vcs import Repo
    from otoloop.vcs.run import git

    git(site, "init", "--initial-branch", "main")
    (site / ".gitignore").write_text(".otoloop\n/answers\n/results\n.dvc/cache\n")
    Repo(site).commit([".gitignore", "params.yaml"], "A site")
    return Repo(site)


@pytest.fixture
def finished(site, book, repo):
    """A finished cycle as its flow leaves it: judged by the real gate, committed, tagged, its answers kept by DVC."""
    from .cycle import finish

    return finish(site, book)


@pytest.fixture
def stored(site, object_store, monkeypatch, tmp_path_factory):
    """The site with a real store, and a place for the private keys of its people."""
    with (site / "params.yaml").open("a") as params:
        params.write(f"prefix: {object_store.prefix}\n")
    connection = object_store.connection
    monkeypatch.setenv("OTOLOOP_S3_ENDPOINT", connection.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", connection.access_key or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", connection.secret_key or "")
    monkeypatch.setenv("OTOLOOP_KEYS", str(tmp_path_factory.mktemp("keys")))
    monkeypatch.setenv("OTOLOOP_ACTOR", "loop")
    return object_store


@pytest.fixture
def asked(site, book, stored, repo):
    """The open request v1-2 of a passed cycle, in mika's name; rei approved most of its items."""
    from .cycle import finish, request

    finish(site, book, verdict="pass")
    return request(site)
