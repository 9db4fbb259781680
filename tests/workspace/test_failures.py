"""What fails around a workspace is one sentence, leaves nothing half-written, and the same command goes on after repair."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from otoloop import store
from otoloop.catalog import Catalog, machines
from otoloop.errors import OtoloopError
from otoloop.intake.landing import Landing
from otoloop.intake.listen import Listeners
from otoloop.params import IntakeParams
from otoloop.store.s3 import ObjectStore
from otoloop.vcs import Repo
from otoloop.workspace.init import init
from otoloop.workspace.processes import marked
from otoloop.workspace.state import load, running
from otoloop.workspace.up import TITLES, down, up

from ..intake.conftest import DAY, Site, wav_bytes
from ..release.plant import Plant
from ..said import otoloop, refused

SOUNDS = 6


@pytest.fixture
def site(workspace: Path, object_store: ObjectStore) -> Site:
    """A workspace with a store of the user's own, and recordings that wait there."""
    site = Site(workspace, object_store)
    for number in range(SOUNDS):
        site.put(f"{number}.wav", wav_bytes(number, 4.0))
    return site


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Site]:
    """The same with an embedded server of its own."""
    folder = init(tmp_path / "own", prefix=f"own{secrets.token_hex(3)}")
    up(folder, only=["s3"])
    site = Site(folder, store.connect(folder))
    for number in range(SOUNDS):
        site.put(f"{number}.wav", wav_bytes(number))
    yield site
    down(folder)


def kill(site: Site) -> None:
    """kill -9 of the embedded server, seen by its parent."""
    part = running(site.workspace, "s3")
    assert part is not None
    os.kill(part.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(part.pid)] if psutil.pid_exists(part.pid) else [], timeout=10)


def doctor(folder: Path) -> dict[str, dict[str, str]]:
    """The findings that are not ok, by name."""
    answer = otoloop("doctor", "--json", cwd=folder)
    return {row["name"]: row for row in answer.json if row["level"] != "ok"}


def untouched(site: Site) -> None:
    """No recording was taken in, and none of a file of unknown origin lies about."""
    fates = set(site.fates().values())
    assert fates <= {"claimed"}, fates
    assert not list((site.workspace / ".otoloop" / "landing").glob("*"))
    assert not [p for p in site.workspace.rglob("*") if p.name.endswith((".part", ".kept"))]


def goes_on(site: Site) -> None:
    """The same command, after repair: everything is taken in, once."""
    told = otoloop("intake", "--once", "--json", cwd=site.workspace).json
    assert (told["admitted"], told["quarantined"], told["duplicates"]) == (SOUNDS, 0, 0)
    site.store = store.connect(site.workspace)  # its server may have moved
    picture = site.picture()
    assert len(picture["stored"]) == len(picture["clips"]) == SOUNDS and picture["open"] == picture["landed"] == []


# ---- the store -------------------------------------------------------------------------------------------------------


def test_a_missing_bucket(site: Site, tmp_path: Path):
    for number in range(SOUNDS):
        site.store.delete("incoming", f"{DAY}/{number}.wav")
    assert otoloop("up", "--only", "s3", cwd=site.workspace).code == 0
    site.store.remove_bucket("incoming")
    name = site.store.bucket("incoming")
    said = [f"no bucket {name} at {site.store.endpoint}", "otoloop up --only s3", "prefix in params.yaml"]
    (tmp_path / "a.wav").write_bytes(wav_bytes(1))
    refused("intake", "--once", cwd=site.workspace, said=said)
    refused("simulate", tmp_path / "made", "--clips", "8", "--upload", cwd=site.workspace, said=said)
    assert not (tmp_path / "made").exists()
    refused("add", tmp_path / "a.wav", "--site", "osaka", cwd=site.workspace, said=said)
    untouched(site)
    assert name in doctor(site.workspace)["s3"]["message"]
    assert otoloop("up", "--only", "s3", cwd=site.workspace).code == 0
    assert "s3" not in doctor(site.workspace)
    assert otoloop("simulate", tmp_path / "made", "--clips", "8", "--upload", cwd=site.workspace).code == 0


CREDENTIALS = {
    "key": ({"AWS_ACCESS_KEY_ID": "nobody"}, ["with access key 'nobody'", "AWS_ACCESS_KEY_ID and AWS_SECRET"]),
    "secret": ({"AWS_SECRET_ACCESS_KEY": "guess"}, ["does not accept the S3 credentials", "SignatureDoesNotMatch"]),
    "none": ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, ["no S3 credentials", "AWS_SECRET_ACCESS_KEY"]),
}


@pytest.mark.parametrize("wrong", ["key", *(pytest.param(name, marks=pytest.mark.slow) for name in ("secret", "none"))])
def test_wrong_credentials(site: Site, wrong: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    values, said = CREDENTIALS[wrong]
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with monkeypatch.context() as patched:
        for name, value in values.items():
            patched.setenv(name, value) if value else patched.delenv(name)
        refused("intake", "--once", cwd=site.workspace, said=said)
        refused("up", "--only", "s3", cwd=site.workspace, said=said)
        refused("release", "create", cwd=site.workspace, said=said)
        refused("simulate", tmp_path / "made", "--upload", cwd=site.workspace, said=said)
        found = doctor(site.workspace)
        assert all(word in f"{found['s3']['message']} {found['s3']['remedy']}" for word in said)
        assert all(word in f"{found['dvc remote']['message']} {found['dvc remote']['remedy']}" for word in said)
        untouched(site)
    goes_on(site)


@pytest.mark.slow
def test_an_endpoint_where_nobody_listens(site: Site, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with monkeypatch.context() as patched:
        patched.setenv("OTOLOOP_S3_ENDPOINT", url)
        said = [f"no answer from {url}", "otoloop up --only s3", "OTOLOOP_S3_ENDPOINT"]
        refused("intake", "--once", cwd=site.workspace, said=said)
        assert url in doctor(site.workspace)["s3"]["message"]
        untouched(site)
    goes_on(site)


def test_a_server_that_was_killed_before(embedded: Site):
    kill(embedded)
    found = doctor(embedded.workspace)
    assert "died: s3" in found["parts"]["message"] and "otoloop up" in found["parts"]["remedy"]
    assert "does not run" in found["s3"]["message"] and "otoloop up --only s3" in found["s3"]["remedy"]
    said = ["does not run", "otoloop up --only s3"]
    refused("simulate", "x", "--upload", cwd=embedded.workspace, said=said)
    refused("release", "create", cwd=embedded.workspace, said=said)
    assert Repo(embedded.workspace).clean()
    goes_on(embedded)  # what needs it starts it again


@pytest.mark.slow
def test_a_server_that_is_killed_while_recordings_are_fetched(embedded: Site, monkeypatch: pytest.MonkeyPatch):
    fetch, fetched = Landing.fetch, []

    def fetch_then_kill(landing: Landing, row):  # type: ignore[no-untyped-def]
        fetched.append(row)
        if len(fetched) == 3:
            kill(embedded)
        return fetch(landing, row)

    url = embedded.store.endpoint
    with monkeypatch.context() as patched:
        patched.setattr(Landing, "fetch", fetch_then_kill)
        refused("intake", "--once", cwd=embedded.workspace, said=[f"no answer from {url}", "otoloop up --only s3"])
    assert len(embedded.fates()) == SOUNDS
    untouched(embedded)
    goes_on(embedded)


@pytest.mark.slow
def test_a_server_that_is_killed_while_clips_are_stored(embedded: Site, monkeypatch: pytest.MonkeyPatch):
    from otoloop.intake import admit
    from otoloop.store.content import put_audio

    stored = []

    def store_then_kill(*given, **more):  # type: ignore[no-untyped-def]
        if len(stored) == 2:
            kill(embedded)
        stored.append(given)
        return put_audio(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(admit, "THREADS", 1)
        patched.setattr(admit, "put_audio", store_then_kill)
        refused("intake", "--once", cwd=embedded.workspace, said=["no answer from", "otoloop up --only s3"])
    untouched(embedded)
    goes_on(embedded)


@pytest.mark.slow
@pytest.mark.parametrize("gap", ["shards", "push"])
def test_a_server_that_is_killed_while_a_release_is_made(embedded: Site, gap: str, monkeypatch: pytest.MonkeyPatch):
    from otoloop import crash
    from otoloop.release import create

    plant = Plant(embedded.workspace, embedded.store)
    plant.approve(0, 16)
    at = {"shards": "intent", "push": "dvc add"}[gap]
    before = Repo(embedded.workspace).head()
    with monkeypatch.context() as patched:
        patched.setattr(create.crash, "here", lambda name: kill(embedded) if name == at else None)
        assert crash.here is create.crash.here
        refused("release", "create", cwd=embedded.workspace, said=["otoloop up --only s3"])
    assert Repo(embedded.workspace).head() == before and Repo(embedded.workspace).tags() == []
    up(embedded.workspace, only=["s3"])
    made = otoloop("release", "create", "--json", cwd=embedded.workspace)
    assert made.code == 0 and made.json["release"] == "r0001"
    assert otoloop("release", "verify", "--json", cwd=embedded.workspace).json["ok"]


# ---- ports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", TITLES)
def test_a_busy_port_is_told_before_anything_is_started(tmp_path: Path, part: str):
    (tmp_path / "params.yaml").write_text("prefix: own\n", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused("up", f"--{part}-port", str(port), cwd=tmp_path,
                said=[f"Port {port} for the {TITLES[part]} is taken by process {os.getpid()}", "another port"])  # fmt: skip
    assert load(tmp_path).parts == {} and marked(tmp_path) == []


@pytest.mark.slow
def test_another_port_for_a_server_that_runs_is_refused_and_a_taken_one_is_told_by_doctor(embedded: Site):
    part = running(embedded.workspace, "s3")
    assert part is not None and part.port is not None
    refused("up", "--only", "s3", "--s3-port", str(part.port + 1), cwd=embedded.workspace,
            said=[f"runs already, on port {part.port} instead of {part.port + 1}", "otoloop down"])  # fmt: skip
    assert otoloop("up", "--only", "s3", "--s3-port", str(part.port), cwd=embedded.workspace).code == 0
    down(embedded.workspace)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", part.port))
        taken.listen()
        found = doctor(embedded.workspace)["ports"]
        assert f"{part.port} of the S3 server by process {os.getpid()}" in found["message"] and found["remedy"]
        goes_on(embedded)  # on another port


# ---- disks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, *, leave: int) -> None:
    """Leave so many bytes on a disk."""
    with (disk / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - leave)


def moved(site: Site, disk: Path) -> Site:
    """The workspace on the small disk."""
    shutil.copytree(site.workspace, disk / "site", symlinks=True)
    return Site(disk / "site", site.store)


def test_a_full_disk_while_recordings_land(site: Site, disk: Path):
    small = moved(site, disk)
    small.book().close()
    fill(disk, leave=400_000)
    refused("intake", "--once", cwd=small.workspace, said=["landing: its disk is full", "Free some space"])
    untouched(small)
    assert "nearly full" in doctor(small.workspace)["disk"]["message"]
    (disk / "filler").unlink()
    goes_on(small)


def test_a_full_disk_while_the_catalogue_writes(site: Site, disk: Path):
    small = moved(site, disk)
    with closing(small.book()) as book:
        fill(disk, leave=0)
        with pytest.raises(OtoloopError, match=r"catalog\.db cannot be written: its disk is full.*Free some space"):
            many_machines(book)
        with book.reading() as session:
            assert machines.machines(session) == []
        refused("intake", "--once", cwd=small.workspace, said=["its disk is full", "Free some space"])
        (disk / "filler").unlink()
        assert small.fates() == {}
        many_machines(book)
    goes_on(small)


def many_machines(book: Catalog) -> None:
    """A transaction of some hundred kilobytes."""
    with book.session() as session:
        machines.see_machines(session, [("osaka", f"{n:0200}") for n in range(1000)], datetime.now(UTC))


def test_a_full_disk_says_nothing_against_the_recording_that_is_heard(disk: Path):
    (disk / "1").write_bytes(wav_bytes(1))
    fill(disk, leave=0)
    with (
        Listeners(IntakeParams.model_validate({}), files=64) as ears,
        pytest.raises(OtoloopError, match="its disk is full"),
    ):
        list(ears.hear_all([(disk / "1", "keep")]))


def test_a_full_disk_leaves_no_half_workspace(disk: Path):
    fill(disk, leave=20_000)
    refused("init", disk / "new", cwd=disk, said=["disk", "is full", "Free some space"])
    assert not (disk / "new").exists()
    (disk / "filler").unlink()
    assert otoloop("init", disk / "new", cwd=disk).code == 0


@pytest.mark.slow
@pytest.mark.parametrize(("leave", "where"), [(150_000, "release/audio"), (900_000, "dvc add")])
def test_a_full_disk_while_a_release_is_made(site: Site, disk: Path, leave: int, where: str):
    small = moved(site, disk)
    plant = Plant(small.workspace, small.store)
    plant.approve(0, 16)
    before = Repo(small.workspace).head()
    fill(disk, leave=leave)
    refused("release", "create", cwd=small.workspace, said=[where, "disk", "is full", "Free some space"])
    (disk / "filler").unlink()
    assert Repo(small.workspace).head() == before and Repo(small.workspace).tags() == []
    assert not [p for p in small.workspace.rglob("*") if p.name.endswith((".part", ".tmp"))]
    made = otoloop("release", "create", "--json", cwd=small.workspace)
    assert made.code == 0 and made.json["release"] == "r0001"
    assert otoloop("release", "verify", "--json", cwd=small.workspace).json["ok"]
    assert Repo(small.workspace).clean()
