"""What changed from one release to another: items by id, with their splits and the versions of their traces."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.release import layout
from otoloop.release.create import FOLDER, tag_of
from otoloop.release.splits import SPLITS
from otoloop.vcs import Repo


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of a release: its split, its fault (not shown for test), and a digest of question and trace."""

    split: str
    fault: str | None
    digest: str


def diff(workspace: Path, old: str, new: str) -> dict[str, Any]:
    """Compare two releases by id (``r0001``) or tag; only their item files are fetched.

    Returns:
        ``{added, removed, changed, moved}``: lists of item ids, and ``by_split`` and ``by_fault`` with the change in
        numbers. ``moved`` (from one split to another) is empty unless somebody broke a rule.

    Raises:
        OtoloopError: there is no such release, or its data are not in the remote.
    """
    return {"old": old, "new": new, **compare(entries(workspace, old), entries(workspace, new))}


def compare(a: Mapping[str, Entry], b: Mapping[str, Entry]) -> dict[str, Any]:
    """What `diff` says of the items of two releases."""
    both = sorted(set(a) & set(b))
    return {
        "added": sorted(set(b) - set(a)),
        "removed": sorted(set(a) - set(b)),
        "changed": [i for i in both if a[i].digest != b[i].digest],
        "moved": [i for i in both if a[i].split != b[i].split],
        "by_split": _change([e.split for e in a.values()], [e.split for e in b.values()]),
        "by_fault": _change([e.fault for e in a.values() if e.fault], [e.fault for e in b.values() if e.fault]),
    }


def _change(old: list[str], new: list[str]) -> dict[str, list[int]]:
    """Numbers before and after, by name."""
    return {name: [old.count(name), new.count(name)] for name in sorted({*old, *new})}


def entries(workspace: Path, release: str) -> dict[str, Entry]:
    """The items of a release by id."""
    repo = Repo(workspace)
    tag = release if repo.has_tag(release) else tag_of(release)
    if not repo.has_tag(tag):
        known = ", ".join(t.split("/")[1] for t in repo.tags("release/*")) or "none yet"
        raise OtoloopError(f"There is no release {release!r}.", f"There are: {known}.")
    with tempfile.TemporaryDirectory(prefix="otoloop-diff-") as scratch:
        clone = repo.clone(tag, Path(scratch) / "clone")
        clone.dvc_pull(f"{FOLDER}/items")
        return read(clone.workspace / FOLDER)


def read(root: Path) -> dict[str, Entry]:
    """The items of the release in ``root`` by id."""
    found = {}
    for split in SPLITS:
        for row in layout.read_rows(root / layout.ITEMS_FILE.format(split=split)):
            text = "|".join(str(row.get(k)) for k in ("question", "choices", "evidence", "trace"))
            found[row["id"]] = Entry(split, row.get("fault"), hashlib.sha256(text.encode()).hexdigest())
    return found
