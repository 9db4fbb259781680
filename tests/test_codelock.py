"""A changed helper changes exactly the entries of the stages that import it."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoloop import codelock
from otoloop.errors import OtoloopError
from otoloop.stages import Stage


@pytest.fixture
def package(tmp_path: Path) -> Path:
    root = tmp_path / "otoloop"
    for name, text in {
        "__init__.py": "__version__ = '1'",
        "a/__init__.py": "",
        "a/main.py": (
            "import numpy\nfrom otoloop.b import helper\nfrom . import side\ndef main():\n    import otoloop.late\n"
        ),
        "a/side.py": "import os",
        "b/__init__.py": "",
        "b/helper.py": (
            "from typing import TYPE_CHECKING\nfrom importlib.resources import files\n"
            "if TYPE_CHECKING:\n    from otoloop.b import only_types\n"
            "text = (files('otoloop') / 'words' / 'list.yaml').read_text()\n"
        ),
        "b/only_types.py": "",
        "b/other.py": "",
        "late.py": "",
        "words/list.yaml": "[a]",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_closure_follows_lazy_and_relative_imports_but_not_types(package):
    files, others = codelock.closure("otoloop.a.main", package)
    names = {p.relative_to(package).as_posix() for p in files}
    assert names == {"a/__init__.py", "a/main.py", "a/side.py", "b/__init__.py", "b/helper.py", "late.py"}
    assert others == {"numpy"}


@pytest.mark.parametrize("changed", ["a/main.py", "a/side.py", "b/helper.py", "late.py", "words/list.yaml"])
def test_what_a_stage_reads_changes_its_entry(package, changed):
    before = codelock.entry("otoloop.a.main", package)
    (package / changed).write_text((package / changed).read_text() + "\n# changed\n")
    assert codelock.entry("otoloop.a.main", package) != before


@pytest.mark.parametrize("changed", ["b/other.py", "b/only_types.py", "__init__.py"])
def test_what_it_does_not_read_leaves_its_entry_alone(package, changed):
    before = codelock.entry("otoloop.a.main", package)
    (package / changed).write_text("x = 1")
    assert codelock.entry("otoloop.a.main", package) == before


def test_line_ends_do_not_matter(package):
    before = codelock.entry("otoloop.a.main", package)
    path = package / "a/main.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert codelock.entry("otoloop.a.main", package) == before


def test_a_lock_is_fresh_after_writing_and_says_what_is_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(codelock, "STAGES", {"encode": Stage("otoloop.model.embed", "encode")})
    codelock.write(tmp_path)
    assert codelock.stale(tmp_path) == {}
    codelock.require_fresh(tmp_path, "encode")
    path = tmp_path / "otoloop.lock"
    path.write_text(path.read_text().replace("torch: ", "torch: 0."))
    assert "torch 0." in codelock.stale(tmp_path)["encode"]
    with pytest.raises(OtoloopError, match="otoloop lock"):
        codelock.require_fresh(tmp_path, "encode")


def test_a_missing_lock_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(codelock, "STAGES", {"encode": Stage("otoloop.model.embed", "encode")})
    with pytest.raises(OtoloopError, match=r"not in the lock.*otoloop lock"):
        codelock.require_fresh(tmp_path, "encode")
