"""kill -9 anywhere, run again: nothing is lost, nothing is doubled, no process is left."""

import os
import random
import shutil
import signal
import subprocess
import sys
import uuid
from typing import Any

import psutil
import pytest

from otoloop.simulate.encode import to_int16, wav

from .conftest import SENSORS, Site, flac_bytes, note_bytes, sound, wav_bytes

PROGRAM = "import sys; from pathlib import Path; from otoloop.intake.pull import run; run(Path(sys.argv[1]))"


def fill(site: Site, count: int) -> None:
    """Recordings with sidecars, copies, near duplicates and bad files."""
    for n in range(count):
        site.put(f"{n:03}.wav", wav_bytes(n))
        if n % 2:
            site.put(f"{n:03}.json", note_bytes("hissing" if n % 3 else "please look"))
        if n % 3 == 0:
            site.put(f"{n:03}.sensors.csv", SENSORS)
    site.put("copy.flac", flac_bytes(0))
    site.put("copy.json", note_bytes("rattling"))
    site.put("long.wav", wav(to_int16(sound(500, 4.0)), 16_000))
    site.put("near.wav", wav(to_int16(0.5 * sound(500, 4.0)), 16_000))
    site.put("short.wav", wav_bytes(900, 0.1))
    site.put("bad.wav", b"RIFF")
    site.put("bad.json", b"{")
    site.put("astray.wav", wav_bytes(901), folder="")


def forget(site: Site) -> None:
    """Back to before the first intake; the bucket of deliveries stays."""
    shutil.rmtree(site.workspace / ".otoloop")
    for info in list(site.store.list("audio")):
        site.store.delete("audio", info.key)


def run(site: Site, mark: str, crash_at: str = "") -> subprocess.Popen[bytes]:
    env = {**os.environ, "OTOLOOP_TEST_MARK": mark, "OTOLOOP_CRASH_AT": crash_at}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(site.workspace)], env=env, stderr=subprocess.PIPE)


def left_behind(mark: str) -> list[psutil.Process]:
    """Processes that a killed run had started and that do not end by themselves within a minute."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("OTOLOOP_TEST_MARK") == mark:
                found.append(process)
        except psutil.Error:
            continue
    return psutil.wait_procs(found, timeout=60)[1]


@pytest.fixture
def clean(site: Site) -> dict[str, Any]:
    """What an undisturbed intake makes of the bucket; afterwards everything is forgotten."""
    fill(site, 6)
    site.take_in()
    picture = site.picture()
    assert len(picture["clips"]) == 8 and picture["open"] == []
    forget(site)
    return picture


@pytest.mark.parametrize("gap", ["intake: bytes", "intake: row", "intake: acknowledge"])
def test_killed_in_a_gap_and_run_again(site: Site, clean, gap):
    mark = uuid.uuid4().hex
    killed = run(site, mark, gap)
    assert killed.wait() == -signal.SIGKILL
    partial = site.picture()
    assert (len(partial["clips"]) == 0) == (gap == "intake: bytes"), "the gap is where its name says"
    assert set(partial["stored"]) == set(clean["stored"])
    site.take_in()
    assert site.picture() == clean
    assert left_behind(mark) == []


def test_two_at_once_do_the_work_once(site: Site, clean):
    runs = [run(site, "two") for _ in range(2)]
    assert [r.wait() for r in runs] == [0, 0]
    assert site.picture() == clean


@pytest.mark.slow
def test_killed_at_any_time_as_often_as_it_takes(site: Site):
    fill(site, 150)
    site.take_in()
    clean = site.picture()
    rng, mark = random.Random(7), uuid.uuid4().hex
    for _ in range(12):
        forget(site)
        for _ in range(4):
            child = run(site, mark)
            try:
                child.wait(timeout=rng.uniform(0.5, 14))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        site.take_in()
        assert site.picture() == clean
    assert left_behind(mark) == []


@pytest.mark.slow
def test_killed_in_every_gap_of_every_batch(site: Site):
    """Each run dies after one more step; the work still ends, and ends right."""
    fill(site, 150)
    site.take_in()
    clean = site.picture()
    forget(site)
    gaps = ["intake: bytes", "intake: row", "intake: acknowledge"]
    deaths = 0
    for n in range(40):
        code = run(site, "gaps", gaps[n % 3]).wait()
        assert code in (0, -signal.SIGKILL)
        deaths += code != 0
        if code == 0:
            break
    assert deaths >= 3 and site.picture() == clean
