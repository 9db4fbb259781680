"""Sixty recordings of one's own, as a new user brings them: from a folder to an explained answer of a tuned adapter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from otoloop import cli
from otoloop.codelock import write as lock
from otoloop.outs import read_json
from otoloop.reasoning.vocab import left_out_faults
from otoloop.vcs import Repo

from .recordings import KINDS, plan_recordings, write, write_sound

DAYS = 12
SMALL: dict[str, dict[str, Any]] = {
    "release": {"general_items": 16, "replay_items": 80},
    "answer": {"max_new_tokens": 120, "variant_items": 4},
    "score": {"resamples": 500},
    "gate": {"resamples": 500},
}
HEARD = [kind for kind in KINDS if kind.fault in {*left_out_faults(), "normal", "air_leak"}]
Otoloop = Callable[..., Any]

pytestmark = pytest.mark.slow


@pytest.fixture
def otoloop(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Otoloop:
    """The command line, from the folder above a workspace with a small examination and a real store."""
    text, path = YAML(), workspace / "params.yaml"
    params = text.load(path.read_text(encoding="utf-8"))
    for section, changed in SMALL.items():
        params[section].update(changed)
    with path.open("w", encoding="utf-8") as stream:
        text.dump(params, stream)
    lock(workspace)
    Repo(workspace).commit(["params.yaml", "otoloop.lock"], "A small examination")
    monkeypatch.chdir(workspace.parent)
    monkeypatch.setenv("OTOLOOP_ACTOR", "aya")
    cli._register()

    def run(*words: str) -> Any:
        result = CliRunner().invoke(cli.app, list(words))
        assert result.exit_code == 0, result.output + str(result.exception)
        return json.loads(result.stdout) if "--json" in words else result.stdout

    return run


def test_sixty_recordings_reach_the_pilot_lane_and_an_explained_answer(
    otoloop: Otoloop, workspace: Path, tmp_path: Path
) -> None:
    write(tmp_path / "recordings", list(plan_recordings(DAYS, kinds=HEARD)))
    added = otoloop("add", "recordings", "--notes", "notes.csv", "--site", "press-shop", "--json")
    assert added["admitted"] == 60 and added["warnings"] == []
    unnamed = otoloop("clips", "--unlabelled", "--json")
    assert len(unnamed) == 6 and {row["machine"] for row in unnamed} == {"ai-1"}
    otoloop("review", "label", *(row["id"][:12] for row in unnamed), "--fault", "air leak")

    drafted = otoloop("draft", "--json")
    assert drafted["clips"] == 60 and drafted["queued"] > 100
    for reviewer in ("aya", "ben"):
        tally = otoloop("review", "approve", "--all-confirmed", "--yes", "--as", reviewer, "--json")
    assert tally["need_another_reviewer"] == []

    cycle = otoloop("retrain", "--json")
    assert (cycle["start"], cycle["tag"]) == ("new", "cycle/0001")
    assert cycle["verdict"] == "not_enough_data", cycle
    assert cycle["pilot"] == "eligible", cycle["pilot_reason"]
    assert any(row["recordings"] > 50 and row["suite"] == "site" for row in cycle["record_more"])
    splits = read_json(workspace / "release" / "splits.json")
    assert not any(splits["held_out"].values()) and set(splits["sessions"].values()) == {"train", "valid", "test"}
    assert otoloop("retrain", "--json")["start"] == "nothing new"
    assert "more: site" in otoloop("gate", "show") and Repo(workspace).clean()

    latest = next(r for r in plan_recordings(DAYS + 1, kinds=HEARD) if r.day == DAYS and r.kind.fault == "valve_knock")
    write_sound(tmp_path / "tomorrow.wav", latest, seconds=40)
    asked = otoloop("ask", "tomorrow.wav", "What is wrong with this machine?", "--json")
    assert asked["version"].startswith("adapter@")
    assert asked["response"] and any(claim["status"] == "confirmed" for claim in asked["claims"])
    assert "✓" in otoloop("ask", "tomorrow.wav")
