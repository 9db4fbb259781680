"""The table of crashes counts what it says it counts."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "crash_table.py"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("crash_table", TOOL)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "crash_table", module)
    spec.loader.exec_module(module)
    return module


def test_what_is_missing_is_lost_and_what_is_too_much_is_doubled(tool: ModuleType):
    clean = tool.facts({"rows": Counter({("a", 1): 1, ("b", 1): 1}), "clips": {"x": 4.0, "y": 5.0}, "open": ["k"]})
    after = tool.facts({"rows": Counter({("a", 1): 2}), "clips": {"x": 4.0, "y": 6.0}, "open": ["k"]})
    row = tool.Row()
    row.count((clean - clean, clean - clean))
    row.count((clean - after, after - clean))
    assert (row.kills, row.lost, row.doubled) == (2, 2, 2), "a changed fact counts as both"
    assert "lost ('rows', \"('b', 1)\")" in row.examples and "doubled ('rows', \"('a', 1)\")" in row.examples
    shown = tool.table({"intake: row": row}, left=1)
    assert "| intake: row | 2 | 2 | 2 |" in shown and "| all | 2 | 2 | 2 |" in shown and "behind: 1." in shown
