from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def tool() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "tools" / "templates.py"
    spec = importlib.util.spec_from_file_location("templates_tool", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_package_carries_this_repositorys_own_pipeline_and_flows(tool: ModuleType) -> None:
    assert tool.stale() == [], "run `make templates`"


def test_what_differs_is_found_and_copied(tool: ModuleType, tmp_path: Path) -> None:
    root, copies = tmp_path / "root", tmp_path / "copies"
    (root / "flows").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}", encoding="utf-8")
    (root / "flows" / "a.py").write_text("a", encoding="utf-8")
    (copies / "flows").mkdir(parents=True)
    (copies / "flows" / "gone.py.tmpl").write_text("b", encoding="utf-8")
    (copies / "params.yaml.tmpl").write_text("own", encoding="utf-8")
    names = {str(path.relative_to(copies)) for path in tool.stale(root, copies)}
    assert names == {"dvc.yaml.tmpl", "flows/a.py.tmpl", "flows/gone.py.tmpl"}
    tool.copy_all(root, copies)
    assert tool.stale(root, copies) == []
    assert (copies / "flows" / "a.py.tmpl").read_text(encoding="utf-8") == "a"
    assert (copies / "params.yaml.tmpl").is_file()
