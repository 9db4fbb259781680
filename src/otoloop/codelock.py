"""``otoloop.lock``: a stage knows its code.

Per stage it holds a digest of every first-party module the stage imports, directly or not, with the data files those
modules read, and the versions of the other packages they import. Each stage declares its entry as a DVC param, so a
changed helper re-runs exactly the stages that import it; at start a stage compares the entry with the installed code.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from sys import stdlib_module_names
from typing import Any

import yaml

from otoloop.errors import OtoloopError
from otoloop.outs import replacing
from otoloop.stages import STAGES

ROOT = "otoloop"
FILE = "otoloop.lock"
_HEAD = "# Written by `otoloop lock`: the code and the pins that each stage was last locked with. Commit it.\n"
_PACKAGE = Path(__file__).resolve().parent


def entries(package: Path = _PACKAGE) -> dict[str, dict[str, Any]]:
    """The entry of every stage for the code in ``package`` and the packages installed beside it."""
    return {name: entry(stage.module, package) for name, stage in STAGES.items()}


def entry(module: str, package: Path = _PACKAGE) -> dict[str, Any]:
    """``{code: sha256, pins: {package: version}}`` of what importing ``module`` brings in."""
    modules, others = closure(module, package)
    digest = hashlib.sha256()
    for path in sorted({*modules, *_data_files(modules, package)}):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).digest())
    return {"code": digest.hexdigest(), "pins": {name: _version(name) for name in sorted(others)}}


def closure(module: str, package: Path = _PACKAGE) -> tuple[set[Path], set[str]]:
    """Files of the first-party modules that ``module`` needs, itself included, and names of other packages.

    Imports inside functions count, those under ``if TYPE_CHECKING`` do not. The top ``__init__`` holds just the
    version and is left out, so that a new version alone re-runs nothing.

    Raises:
        OtoloopError: ``module`` does not exist.
    """
    start = _file_of(module, package)
    if start is None:
        raise OtoloopError(f"There is no module {module!r} in this installation.", "Reinstall otoloop.")
    waiting, seen, others = [start], set[Path](), set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in _imports(path, package):
            first_party = _files_for(name, package)
            waiting += first_party
            if name.split(".")[0] != ROOT and name.split(".")[0] not in stdlib_module_names:
                others.add(name.split(".")[0])
    return seen - {package / "__init__.py"}, others


def _imports(path: Path, package: Path) -> Iterator[str]:
    """Dotted names that a module imports; for ``from a import b`` both ``a`` and ``a.b``."""
    here = (ROOT, *path.relative_to(package).with_suffix("").parts)
    parents = here[:-1]  # the package of a module; of an ``__init__`` too
    for node in _runtime_nodes(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _runtime_nodes(node)


def _files_for(name: str, package: Path) -> list[Path]:
    """The file of a first-party module and the ``__init__`` files above it; nothing for other names."""
    parts = name.split(".")
    if parts[0] != ROOT:
        return []
    names = [".".join(parts[: i + 1]) for i in range(len(parts))]
    return [path for n in names if (path := _file_of(n, package)) is not None]


def _file_of(name: str, package: Path) -> Path | None:
    stem = package.joinpath(*name.split(".")[1:])
    return next((p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()), None)


def _data_files(modules: Iterable[Path], package: Path) -> set[Path]:
    """Package data that modules name as ``files("otoloop...") / "folder" / "file"``; a folder stands for its files."""
    named = [path for module in modules for path in _resources(ast.parse(module.read_bytes()), package)]
    inside = [p for path in named for p in (path.rglob("*") if path.is_dir() else [path])]
    return {p for p in inside if p.is_file() and p.suffix not in (".py", ".pyc")}


def _resources(tree: ast.AST, package: Path) -> Iterator[Path]:
    chains = [n for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)]
    inner = {id(n.left) for n in chains}
    for chain in chains:
        if id(chain) in inner:
            continue
        parts: list[str | None] = []
        node: ast.AST = chain
        while isinstance(node, ast.BinOp):
            value = getattr(node.right, "value", None)
            parts.insert(0, value if isinstance(value, str) else None)
            node = node.left
        origin = _named_package(node)
        if origin is not None:
            constant = parts[: parts.index(None)] if None in parts else parts
            yield package.joinpath(*origin.split(".")[1:], *(p for p in constant if p))


def _named_package(node: ast.AST) -> str | None:
    """The package of a ``files("...")`` call inside an expression."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("files") and call.args:
            value = getattr(call.args[0], "value", None)
            return value if isinstance(value, str) else None
    return None


@cache
def _version(name: str) -> str:
    """The installed version of the package that provides ``name``, without a build tag such as ``+cpu``."""
    for candidate in (name, name.replace("_", "-"), f"py{name}"):
        try:
            return version(candidate).split("+")[0]
        except PackageNotFoundError:
            continue
    found = packages_distributions().get(name)
    return version(found[0]).split("+")[0] if found else "absent"


def write(workspace: Path) -> dict[str, dict[str, Any]]:
    """Write ``otoloop.lock`` for the installed code and return what it holds."""
    now = entries()
    with replacing(workspace / FILE) as draft:
        draft.write_text(_HEAD + yaml.safe_dump(now, sort_keys=True), encoding="utf-8")
    return now


def read(workspace: Path) -> dict[str, dict[str, Any]]:
    """The lock of a workspace; empty when there is none."""
    path = workspace / FILE
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def stale(workspace: Path) -> dict[str, str]:
    """For each stage whose entry does not describe the installed code: what differs."""
    locked, now = read(workspace), entries()
    return {name: difference(locked.get(name), now[name]) for name in STAGES if locked.get(name) != now[name]}


def difference(locked: dict[str, Any] | None, now: dict[str, Any]) -> str:
    """In words, how a stage's entry differs from the installed code."""
    if locked is None:
        return "it is not in the lock"
    was, is_ = locked.get("pins", {}), now["pins"]
    moved = [n for n in sorted({*was, *is_}) if was.get(n) != is_.get(n)]
    said = [f"{n} {was.get(n, 'absent')} is locked, {is_.get(n, 'absent')} installed" for n in moved]
    return "; ".join(said + (["its code changed"] if locked.get("code") != now["code"] else []))


def require_fresh(workspace: Path, stage: str) -> None:
    """Refuse to run a stage with other code than the lock, and so the cycle's record, says.

    Raises:
        OtoloopError: the entry of ``stage`` is missing or stale.
    """
    locked, now = read(workspace).get(stage), entry(STAGES[stage].module)
    if locked != now:
        message = f"{FILE} does not describe the installed code of stage {stage}: {difference(locked, now)}."
        raise OtoloopError(message, "Run `otoloop lock` and commit otoloop.lock, or install the versions it names.")
