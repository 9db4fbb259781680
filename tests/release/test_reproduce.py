"""A cycle of the sample, repeated: the same bytes; with another seed another adapter, and only what follows from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from otoloop.errors import OtoloopError
from otoloop.release.reproduce import reproduce
from otoloop.vcs import Repo

TAG = "cycle/0001"
BEFORE_TRAINING = {"work/validate", "metrics/validate.json", "work/features"}
AFTER_TRAINING = {"answers", "results", "metrics/scores.json", "gate"}
TRAINED = {"models/adapter", "metrics/train.json", "plots/loss.csv"}


@pytest.fixture(scope="module")
def cycled(sample: Path) -> Path:
    """The sample with a cycle as this machine computes it: another kind of processor rounds otherwise."""
    repo = Repo(sample)
    for stage in ("encode", "train"):
        repo.dvc_repro(stage, pull=False, force=True)
    repo.dvc_repro(pull=False)  # what follows, where these came out otherwise
    repo.commit(["."], "Cycle 1 on this machine")
    repo.tag(TAG, "Cycle 1")
    return sample


@pytest.mark.slow
def test_a_cycle_is_repeated_bit_for_bit(cycled: Path) -> None:
    command = [sys.executable, "-m", "otoloop", "release", "verify", "--reproduce", TAG, "--json"]
    done = subprocess.run(command, cwd=cycled, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["reproduced"] and {out["path"] for out in found["outs"]} == BEFORE_TRAINING | TRAINED | AFTER_TRAINING
    assert all(out["same"] and out["tagged"] == out["found"] for out in found["outs"])
    assert Repo(cycled).clean(), "the workspace itself is left alone"


@pytest.mark.slow
def test_another_seed_is_found_out(cycled: Path) -> None:
    def reseed(clone: Path) -> None:
        params = clone / "params.yaml"
        text = params.read_text(encoding="utf-8")
        assert text.count("seed: 7\n  threads: 1") == 1
        params.write_text(text.replace("seed: 7\n  threads: 1", "seed: 8\n  threads: 1"), encoding="utf-8")

    rows = reproduce(cycled, TAG, change=reseed)
    different = {row.path for row in rows if not row.same}
    assert TRAINED <= different <= TRAINED | AFTER_TRAINING


def test_what_is_no_cycle_is_refused(tmp_path: Path) -> None:
    from otoloop.vcs import create

    (tmp_path / "params.yaml").write_text("prefix: none\n", encoding="utf-8")
    repo = create(tmp_path)
    repo.commit(["params.yaml"], "No cycle yet")
    with pytest.raises(OtoloopError, match="HEAD records no cycle") as refused:
        reproduce(tmp_path, "HEAD")
    assert "git tag --list" in refused.value.remedy
    with pytest.raises(OtoloopError, match="records no cycle"):
        reproduce(tmp_path, "cycle/0099")
