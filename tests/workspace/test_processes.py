from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from otoloop.errors import OtoloopError
from otoloop.workspace.processes import MARKER, Plan, marked, reap, start, start_all, stop
from otoloop.workspace.state import load

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
)
# what a Prefect worker does: its child gets a session of its own
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True); {SLEEP}"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    reap(tmp_path, grace_s=0.1)


def _plan(code: str, *, name: str = "part", ready: Callable[[], bool] = lambda: True, timeout_s: float = 30) -> Plan:
    return Plan(name=name, command=[sys.executable, "-c", code], env=dict(os.environ), ready=ready, timeout_s=timeout_s)


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_part_is_recorded_in_a_session_of_its_own_and_ended(home: Path) -> None:
    part = start(home, _plan(SLEEP))
    assert load(home).parts == {"part": part}
    assert (os.getpgid(part.pid), os.getsid(part.pid)) == (part.pgid, part.pid)
    assert stop(home, ["part", "unknown"]) == ["part"]
    assert _gone(part.pid) and load(home).parts == {}


def test_the_log_before_is_kept_and_both_are_their_owners_alone(home: Path) -> None:
    log = home / ".otoloop" / "logs" / "part.log"
    for word in ("one", "two", "three"):
        start(home, _plan(f"print({word!r}, flush=True); {SLEEP}", ready=lambda word=word: word in log.read_text()))
        stop(home, ["part"])
    assert (log.read_text(), log.with_name("part.log.1").read_text()) == ("three\n", "two\n")
    modes = {path.name: path.stat().st_mode & 0o777 for path in [*log.parent.iterdir(), log.parent, home / ".otoloop"]}
    assert modes == {"part.log": 0o600, "part.log.1": 0o600, "logs": 0o700, ".otoloop": 0o700}


def test_one_that_ignores_the_polite_signal_is_ended_too(home: Path) -> None:
    log = home / ".otoloop" / "logs" / "part.log"
    part = start(home, _plan(STUBBORN, ready=lambda: "on" in log.read_text(encoding="utf-8")))
    stop(home, ["part"], grace_s=0.1)
    assert _gone(part.pid)


def test_children_in_sessions_of_their_own_are_found_by_the_marker(home: Path) -> None:
    part = start(home, _plan(PARENT, ready=lambda: len(marked(home)) == 2))
    child = next(process.pid for process in marked(home) if process.pid != part.pid)
    os.kill(part.pid, signal.SIGKILL)
    assert reap(home, spare=[part]) == 1
    assert _gone(child) and marked(home) == []


def test_spared_parts_and_other_workspaces_live_on(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    stays = start(other, _plan(SLEEP))
    spared = start(home, _plan(SLEEP, name="base"))
    start(home, _plan(SLEEP))
    assert reap(home, spare=[spared]) == 1
    assert spared.alive() and stays.alive()
    assert reap(home) == 1 and reap(other) == 1


def test_the_caller_and_its_parents_are_never_reaped(home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from otoloop.workspace.processes import reap\n"
        "print(reap(Path(sys.argv[1])))"
    )
    env = {**os.environ, MARKER: str(home.resolve())}
    done = subprocess.run([sys.executable, "-c", code, home], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_one_that_ends_while_starting_is_reported_with_its_last_words(home: Path) -> None:
    with pytest.raises(OtoloopError, match=r"part ended while starting \(exit code 3\): no luck"):
        start(home, _plan("import sys; print('no luck'); sys.exit(3)", ready=lambda: False))
    assert load(home).parts == {}


def test_one_that_is_never_ready_is_ended(home: Path) -> None:
    with pytest.raises(OtoloopError, match="not ready after 0 s"):
        start(home, _plan(SLEEP, ready=lambda: False, timeout_s=0.01))
    assert marked(home) == [] and load(home).parts == {}


def test_an_interrupted_start_leaves_nothing(home: Path) -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_all(home, [_plan(SLEEP, name="first"), _plan(SLEEP, name="second", ready=interrupt)])
    assert marked(home) == [] and load(home).parts == {}


def test_a_killed_part_is_seen_as_dead(home: Path) -> None:
    part = start(home, _plan(SLEEP))
    os.kill(part.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(part.pid)], timeout=10)
    assert not part.alive()
    assert stop(home, ["part"]) == []
