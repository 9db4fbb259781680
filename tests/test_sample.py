"""The sample at the root: small, complete, and enough for a clone without any server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from otoloop.params import Params
from otoloop.vcs import Repo
from otoloop.vcs.remote import FolderRemote, outs_of
from otoloop.vcs.run import dvc

ROOT = Path(__file__).resolve().parents[1]
REMOTE = ROOT / "samples" / "dvc"
TEMPLATE = ROOT / "src" / "otoloop" / "workspace" / "templates" / "params.yaml.tmpl"


def keys(tree: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in tree.items():
        yield from keys(value, f"{before}{name}.") if isinstance(value, dict) else [f"{before}{name}"]


@pytest.mark.parametrize("path", [ROOT / "params.yaml", TEMPLATE], ids=["sample", "template"])
def test_every_parameter_is_written_out(path: Path) -> None:
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert sorted(keys(written)) == sorted(keys(Params().model_dump())), "DVC knows only what stands in the file"


def test_a_new_workspace_starts_with_the_defaults() -> None:
    written = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8").replace("${prefix}", Params().prefix))
    assert Params.model_validate(written) == Params()


def test_the_sample_is_small() -> None:
    assert sum(path.stat().st_size for path in REMOTE.rglob("*") if path.is_file()) <= 3e6


def test_the_remote_holds_the_sample_whole_and_nothing_else() -> None:
    repo, pointers = Repo(ROOT), ["release.dvc", *(f"inputs/{name}.dvc" for name in ("suites", "replay", "champion"))]
    for name in (*pointers, "dvc.lock"):
        repo.verify_pushed(name)
    named = {out.md5 for name in (*pointers, "dvc.lock") for out in outs_of(ROOT / name)}
    lists = [md5 for md5 in named if md5.endswith(".dir") and (REMOTE / "files/md5" / md5[:2] / md5[2:]).is_file()]
    named |= {row["md5"] for md5 in lists for row in json.loads(FolderRemote(REMOTE).read(md5))}
    held = {f"{p.parent.name}{p.name}" for p in REMOTE.rglob("*") if p.is_file()}
    assert held <= named, "run `python tools/sample.py --refresh`"


def test_the_sample_is_what_a_release_is() -> None:
    recorded = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert list(recorded) == list(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    assert yaml.safe_load((ROOT / "inputs" / "cycle.yaml").read_text(encoding="utf-8"))["cycle"] == 1


@pytest.mark.slow
def test_a_clone_is_brought_up_to_date_without_a_server(sample: Path) -> None:
    assert sorted(path.name for path in (sample / "metrics").iterdir()) == [
        "scores.json",
        "train.json",
        "validate.json",
    ]
    assert json.loads((sample / "gate" / "report.json").read_text(encoding="utf-8"))["verdict"] == "not_enough_data"
    assert {"base.jsonl", "candidate.jsonl"} <= {path.name for path in (sample / "answers").iterdir()}
    assert "up to date" in dvc(sample, "status")
    Repo(sample).verify_pushed("dvc.lock")


@pytest.mark.slow
def test_another_value_runs_the_stage_that_reads_it_and_none_before(sample: Path, tmp_path: Path) -> None:
    clone = Repo(sample).clone("HEAD", tmp_path / "clone")
    params = clone.workspace / "params.yaml"
    params.write_text(
        params.read_text(encoding="utf-8").replace("resamples: 200\n", "resamples: 300\n"), encoding="utf-8"
    )
    clone.dvc_pull()
    said = clone.dvc_repro(pull=False)
    assert re.findall(r"Running stage '(\w+)'", said) == ["score", "gate"]
