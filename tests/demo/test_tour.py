"""The tour around its steps: rooms, records, clean ends; and the real thing interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from otoloop.demo.tour import MARK, Demo, make_room, walk
from otoloop.errors import OtoloopError
from otoloop.workspace.processes import MARKER, marked

OTOLOOP = [sys.executable, "-m", "otoloop"]


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    monkeypatch.setenv(MARKER, "")  # walk() sets it; here it must not outlive the test
    (tmp_path / "site").mkdir()
    return Demo(workspace=tmp_path / "site", seed=7, cycles=1, ask=False)


def test_steps_are_timed_and_the_end_is_remembered(demo: Demo) -> None:
    walk(demo, [("One: first", lambda _: "done")], [[("Two: second", lambda _: "")]])
    assert [t.title for t in demo.timings] == ["One", "Two"]
    assert json.loads((demo.workspace / MARK).read_text())["step"] == "finished"


def test_each_cycle_is_walked(demo: Demo) -> None:
    demo.cycles, seen = 3, []

    def step(d: Demo) -> str:
        seen.append(d.cycle)
        return ""

    walk(demo, [], [[("Turn", step)]] * 4)
    assert seen == [1, 2, 3]


def test_what_was_started_ends_with_a_failing_step(demo: Demo) -> None:
    def fail(d: Demo) -> str:
        code = "import time; time.sleep(600)"
        d.background.append(subprocess.Popen([sys.executable, "-c", code]))
        raise OtoloopError("It broke.")

    with pytest.raises(OtoloopError, match="It broke"):
        walk(demo, [("Break", fail)], [])
    assert demo.background[0].poll() is not None
    assert json.loads((demo.workspace / MARK).read_text())["step"] == "Break"


def test_only_a_demos_folder_is_cleared(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    assert "new folder" in make_room(folder)
    (folder / ".otoloop").mkdir(parents=True)
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(OtoloopError, match="is no demo's"):
        make_room(folder)
    assert (folder / "mine.txt").is_file()
    (folder / MARK).write_text('{"step": "Intake: pull", "seed": 7}')
    assert "was stopped at: Intake: pull. Starting clean" in make_room(folder)
    assert not folder.exists()


@pytest.mark.flow
def test_an_interrupted_demo_leaves_no_process_and_the_next_starts_clean(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    command = [*OTOLOOP, "demo", "--yes", "--dir", str(folder)]
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # a test runner in the background of a script ignores interrupts, and so would its child
            command, cwd=tmp_path, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    end = time.monotonic() + 120
    while "Deliver:" not in log.read_text() and time.monotonic() < end:
        time.sleep(0.2)
    while len(marked(folder)) < 2 and time.monotonic() < end:  # S3 runs and `otoloop up` has begun with Prefect
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    # an interrupt that meets Python inside `exec` of a string (every dataclass that is imported) ends it by the signal
    assert process.wait(timeout=90) in (130, -signal.SIGINT), log.read_text()
    assert marked(folder) == []
    assert "was stopped at: Deliver" in make_room(folder)
