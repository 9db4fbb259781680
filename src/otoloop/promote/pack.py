"""The evidence pack: everything that an approver needs, built from one commit and hashed; approvals are bound to it.

Ids, hashes, shares and curves only. Sound and text are looked up when shown, so that erasing a clip never meets a copy
that cannot be changed.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from otoloop.errors import OtoloopError
from otoloop.promote.approvers import same_person
from otoloop.promote.events import canonical, sha256
from otoloop.promote.versions import Manifest
from otoloop.release.cycle import PATH as CYCLE
from otoloop.release.cycle import BaseRef
from otoloop.vcs import Repo

FORMAT = 1
REPORT, SCORES = "gate/report.json", "metrics/scores.json"
HASHED = ("params.yaml", "dvc.lock", "otoloop.lock", CYCLE, REPORT, SCORES)
METRICS = ("metrics/train.json", "metrics/validate.json")
LOSS = "plots/loss.csv"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished cycle as its commit holds it."""

    tag: str
    commit: str
    files: Mapping[str, str]

    @property
    def inputs(self) -> dict[str, Any]:
        """inputs/cycle.yaml."""
        return dict(yaml.safe_load(self.files[CYCLE]))

    @property
    def report(self) -> dict[str, Any]:
        """gate/report.json."""
        return dict(json.loads(self.files[REPORT]))

    @property
    def base(self) -> BaseRef:
        """The base that the cycle's adapter belongs to."""
        return BaseRef(**self.inputs["base"])

    @property
    def champion(self) -> str | None:
        """The version that the candidate was compared with."""
        version = (self.inputs.get("champion") or {}).get("version")
        return None if version is None else str(version)


def last_cycle(repo: Repo, tag: str = "") -> Finished | None:
    """The finished cycle of a tag, by default the last one; None when no cycle has finished.

    Raises:
        OtoloopError: there is no such tag.
    """
    tags = repo.tags("cycle/*")
    if not tag and not tags:
        return None
    name = tag or tags[-1]
    if name not in tags:
        raise OtoloopError(f"There is no finished cycle {name!r}.", "`git tag --list 'cycle/*'` shows them.")
    return _finished(repo, name, repo.commit_of(name))


def _finished(repo: Repo, name: str, commit: str) -> Finished:
    texts = {path: _text(repo, commit, path) for path in (*HASHED, *METRICS, LOSS)}
    lacking = [path for path in (CYCLE, REPORT, "dvc.lock") if texts[path] is None]
    if lacking:
        raise OtoloopError(f"{name} lacks {', '.join(lacking)}.", "Run the whole cycle: `otoloop` up to its gate.")
    return Finished(name, commit, {path: text for path, text in texts.items() if text is not None})


def _text(repo: Repo, commit: str, path: str) -> str | None:
    return repo.show(commit, path) if repo.has_file(commit, path) else None


def build(
    finished: Finished, manifest: Manifest, *, channel: str, owner: str, approved_by: Mapping[str, int]
) -> bytes:  # fmt: skip
    """The canonical bytes of a pack.

    Args:
        finished: the cycle.
        manifest: the version that was registered for it.
        channel: where it shall serve.
        owner: in whose name it is requested.
        approved_by: how many items of the release each reviewer approved.
    """
    return canonical({
        "format": FORMAT, "version": manifest.version, "channel": channel, "owner": owner,
        "manifest_sha256": sha256(manifest.to_bytes()), "adapter_sha256": manifest.adapter_sha256, **_of_git(finished),
        "reviews": {"items": sum(approved_by.values()), "approved_by": dict(sorted(approved_by.items()))},
    })  # fmt: skip


def _of_git(finished: Finished) -> dict[str, Any]:
    """The part of a pack that its commit alone decides."""
    report = finished.report
    examples = report.pop("examples", {})
    return {
        "tag": finished.tag, "commit": finished.commit, "inputs": finished.inputs,
        "verdict": report.get("verdict"), "pilot": report.get("pilot"), "reason": report.get("reason"),
        "files": {path: sha256(finished.files[path].encode()) for path in HASHED if path in finished.files},
        "gate": report, "examples": _ids(examples),
        "scores": json.loads(finished.files.get(SCORES, "{}")),
        "metrics": {Path(p).stem: json.loads(finished.files[p]) for p in METRICS if p in finished.files},
        "plots": {"loss": _curve(finished.files.get(LOSS, ""))},
    }  # fmt: skip


def unlike_git(repo: Repo, pack: Mapping[str, Any]) -> list[str] | None:
    """Parts of a pack that are not as the commit that it names has them; None where this clone lacks that commit.

    Whoever may write to the registry's bucket can make a pack that says anything; who may push to git is another matter.
    """
    tag, commit = str(pack.get("tag")), str(pack.get("commit"))
    if not _COMMIT.fullmatch(commit) or not repo.has_commit(commit):
        return None
    try:
        true = json.loads(canonical(_of_git(_finished(repo, tag, commit))))
    except OtoloopError:
        return ["commit"]
    moved = repo.has_tag(tag) and repo.commit_of(f"refs/tags/{tag}") != commit
    return ["tag"] * moved + [name for name, value in true.items() if pack.get(name) != value]


def _ids(examples: Mapping[str, Any]) -> dict[str, Any]:
    """Gained and lost examples by item and clip alone, and how many there were."""
    found: dict[str, Any] = {k: v for k, v in examples.items() if k.endswith("_count")}
    for what in ("won", "lost"):
        found[what] = [{"item": e["item"], "clip": e["clip"]} for e in examples.get(what, ())]
    return found


def _curve(text: str) -> list[list[float]]:
    """Rows of a plot's CSV as numbers."""
    return [[float(cell) for cell in row] for row in list(csv.reader(text.splitlines()))[1:]]


def channels(verdict: str | None, pilot: str | None) -> tuple[str, ...]:
    """Where a candidate may be requested for: everywhere after a pass, else in the pilot lane, else nowhere."""
    if verdict == "pass":
        return ("prod", "pilot", "shadow")
    return ("pilot", "shadow") if verdict != "fail" and pilot == "eligible" else ()


def main_reviewers(pack: Mapping[str, Any], max_share: float) -> list[str]:
    """Whoever approved more than a share of the release's items."""
    reviews = pack["reviews"]
    return [name for name, n in reviews["approved_by"].items() if n > max_share * reviews["items"]]


def barred(pack: Mapping[str, Any], name: str, max_share: float) -> str | None:
    """Why a person may not approve on this evidence, None if they may."""
    if same_person(name, pack["owner"]):
        return f"{name} owns the cycle"
    if any(same_person(name, one) for one in main_reviewers(pack, max_share)):
        return f"{name} reviewed most of its items"
    return None
