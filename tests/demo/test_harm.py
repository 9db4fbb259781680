"""What careless names did is counted from what the stages wrote, and both kinds of second cycle make a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otoloop.demo import harm
from otoloop.demo.report import page, table
from otoloop.demo.tour import Demo
from otoloop.outs import write_jsonl
from otoloop.release import layout

WRONG = {"c0", "c1", "t0"}


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """Ten items in training, two of them misnamed; forty in the test, of which the candidate lost twelve."""
    for split, clips in (("train", [f"c{i}" for i in range(10)]), ("test", [f"t{i}" for i in range(40)])):
        path = tmp_path / "release" / layout.ITEMS_FILE.format(split=split)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"clip": clips}), path)
    for name, lost in (("champion", 0), ("candidate", 12)):
        rows = [
            {"id": f"i{i}", "clip": f"t{i}", "suite": "site", "cluster": f"s{i}", "correct": i >= lost}
            for i in range(40)
        ]
        general = {"id": "g", "clip": "g", "suite": "general", "cluster": "g", "correct": True}
        write_jsonl(tmp_path / "results" / f"{name}.jsonl", [*rows, general])
    return tmp_path


def test_the_loss_is_counted_on_items_that_are_named_right(judged: Path) -> None:
    found = harm.measure(judged, WRONG)
    assert found["train"] == {"items": 10, "wrong": 2} and found["test"] == {"items": 40, "wrong": 1}
    honest = found["honest"]
    assert honest["n"] == 39 and honest["difference"] == pytest.approx(-11 / 39)
    assert honest["low"] < honest["difference"] < honest["high"] < 0 and honest["p"] < 0.001
    assert "2 of 10 items in training" in harm.told(found) and "−28.2 points" in harm.told(found)


def test_without_a_champion_there_is_nothing_to_lose(judged: Path) -> None:
    (judged / "results" / "champion.jsonl").unlink()
    found = harm.measure(judged, WRONG)
    assert found["honest"] is None and len(harm.told(found).splitlines()) == 1


def cycle(**more: Any) -> dict[str, Any]:
    return {"release": "r0001", "items": 9, "scores": {"base": None, "champion": None, "candidate": None},
            "verdict": "fail", "reasons": ["Worse."], **more}  # fmt: skip


def test_only_a_spoiled_cycle_is_called_careless(judged: Path) -> None:
    demo = Demo(workspace=judged, seed=7, cycles=2, ask=False)
    demo.facts |= {"stages": {"train": 1.0}, "drafted": [9], "approved": [9]}
    demo.report |= {"cycles": [cycle(), cycle()], "seconds": 1.0}
    assert "careless" not in page(demo)
    demo.report["cycles"][1]["spoiled"] = harm.measure(judged, WRONG)
    assert "careless" in page(demo) and "2 of 10 items in training" in page(demo)
    assert "2 of 10 items in training" in table(demo, 1.0)
