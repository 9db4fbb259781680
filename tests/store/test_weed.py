from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from otoloop import store
from otoloop.errors import OtoloopError
from otoloop.store.failures import StoreError
from otoloop.store.weed import credentials, start_weed, stop_weed
from otoloop.workspace.ports import choose
from otoloop.workspace.processes import Plan, start
from otoloop.workspace.state import Part, load, running


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "params.yaml").write_text("prefix: own\n", encoding="utf-8")
    yield tmp_path
    stop_weed(tmp_path)


def test_it_listens_on_the_loopback_only_with_credentials_only_the_owner_can_read(home: Path) -> None:
    part = start_weed(home)
    addresses = {c.laddr.ip for c in psutil.Process(part.pid).net_connections() if c.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}
    assert stat.S_IMODE((home / ".otoloop" / "s3.credentials").stat().st_mode) == 0o600
    assert credentials(home) == credentials(home)
    command = psutil.Process(part.pid).cmdline()
    assert "-master.telemetry=false" in command
    assert not set(credentials(home)) & set(" ".join(command).split("="))


def test_starting_twice_is_starting_once_and_a_restart_keeps_address_and_data(home: Path) -> None:
    first = start_weed(home)
    assert start_weed(home) == first
    client = store.connect(home)
    client.ensure_buckets()
    client.put("audio", "k", b"1")
    stop_weed(home)
    assert not first.alive() and running(home, "s3") is None
    with pytest.raises(OtoloopError, match="does not run"):
        store.connect(home)
    again = start_weed(home)
    assert (again.port, store.connect(home).get("audio", "k")) == (first.port, b"1")


def test_killed_in_the_middle_of_writes_it_loses_nothing_it_acknowledged(home: Path) -> None:
    part = start_weed(home)
    client = store.connect(home)
    client.ensure_buckets()
    kept: list[str] = []
    enough = threading.Event()

    def write() -> None:
        with contextlib.suppress(StoreError):
            for number in range(10_000):
                client.put("audio", f"k{number}", b"%d" % number * 1000)
                kept.append(f"k{number}")
                if number == 30:
                    enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(60)
    os.kill(part.pid, signal.SIGKILL)
    writer.join(60)
    with pytest.raises(OtoloopError, match="otoloop up"):
        store.connect(home)
    start_weed(home)
    client = store.connect(home)
    for key in kept:
        assert client.get("audio", key) == key[1:].encode() * 1000


def test_a_port_that_is_taken_is_refused_in_words(home: Path) -> None:
    with socket.socket() as taken:
        port = choose(None)  # not the system's choice: an S3 server has a port 10,000 above, which must exist
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(OtoloopError, match=f"Port {port} for the S3 server is taken by process {os.getpid()}"):
            start_weed(home, port=port)
    assert load(home).parts == {}


def test_last_times_port_being_taken_means_another(home: Path) -> None:
    port = start_weed(home).port
    stop_weed(home)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert start_weed(home).port != port
        assert store.connect(home).bucket_exists("registry")


@pytest.mark.slow
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("prefix: full\n", encoding="utf-8")
    disk = tmp_path / ".otoloop"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        start_weed(tmp_path)
        client = store.connect(tmp_path)
        with pytest.raises(StoreError, match="is full"):
            client.ensure_buckets()
            for number in range(100):
                client.put("audio", str(number), os.urandom(2**21))
        assert shutil.disk_usage(disk).total < 2**28
    finally:
        stop_weed(tmp_path)
        subprocess.run(["umount", disk], check=True)


def test_a_port_taken_in_the_moment_between_looking_and_starting_costs_one_attempt(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[socket.socket] = []

    def grab_first(workspace: Path, plan: Plan) -> Part:
        if not taken:
            taken.append(socket.create_server(("127.0.0.1", plan.ports["master"])))
        return start(workspace, plan)

    monkeypatch.setattr("otoloop.store.weed.start", grab_first)
    assert start_weed(home).ports["master"] != taken[0].getsockname()[1]
    taken[0].close()
