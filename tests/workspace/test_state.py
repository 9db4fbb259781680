from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from otoloop.errors import OtoloopError
from otoloop.workspace.state import Part, change, load, running


def _me(name: str = "me") -> Part:
    return Part(name=name, pid=os.getpid(), pgid=os.getpgid(0), started=psutil.Process().create_time(), log="x", port=1)


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    assert load(tmp_path).parts == {}
    with change(tmp_path) as state:
        state.parts["me"] = _me()
        state.ports["me"] = {"port": 1}
    assert load(tmp_path).parts == {"me": _me()}
    assert running(tmp_path, "me") == _me()
    assert running(tmp_path, "you") is None


def test_a_reused_pid_is_not_taken_for_the_part() -> None:
    assert _me().alive()
    assert not replace(_me(), started=_me().started - 3600).alive()
    assert not replace(_me(), pid=2**22 + 1).alive()


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def add(number: int) -> None:
        with change(tmp_path) as state:
            state.parts[str(number)] = _me(str(number))

    threads = [threading.Thread(target=add, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(load(tmp_path).parts) == 20


def test_a_failed_change_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), change(tmp_path) as state:
        state.parts["me"] = _me()
        raise ZeroDivisionError
    assert load(tmp_path).parts == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"parts": 3, "ports": {}}', '{"parts": {"a": {"no": 1}}, "ports": {}}']
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / ".otoloop").mkdir()
    (tmp_path / ".otoloop" / "state.json").write_text(text, encoding="utf-8")
    with pytest.raises(OtoloopError, match=r"state\.json is damaged"):
        load(tmp_path)
