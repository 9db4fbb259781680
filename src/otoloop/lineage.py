"""From an answer back to the sounds and people behind it: version, approver, cycle, release, items, clips, deliveries.

Each fact comes from its owner: the registry's chain says who registered, asked, approved and promoted, git what the
cycle read, the catalogue what the release holds and where its sounds came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from sqlalchemy.orm import Session

from otoloop import catalog
from otoloop.catalog import answers, deliveries, releases
from otoloop.errors import OtoloopError
from otoloop.release.cycle import PATH
from otoloop.settings import Settings
from otoloop.vcs import Repo

if TYPE_CHECKING:
    from otoloop.catalog.tables import AnswerRow
    from otoloop.promote.events import Event
    from otoloop.promote.registry import Registry
    from otoloop.promote.versions import Manifest

DECIDING = ("register", "request", "approve", "promote", "rollback")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The steps from an answer to its sources; a step that cannot be told is None, ``missing`` says why."""

    answer: dict[str, Any]
    feedback: list[dict[str, Any]]
    version: dict[str, Any] | None = None
    cycle: dict[str, Any] | None = None
    release: dict[str, Any] | None = None
    items: Sequence[dict[str, Any]] = ()
    clips: Sequence[dict[str, Any]] = ()
    missing: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """What `otoloop lineage --json` prints."""
        return {k: getattr(self, k) for k in self.__slots__}


def lineage(workspace: Path, answer_id: str) -> Lineage:
    """Everything that an answer goes back to.

    Raises:
        OtoloopError: there is no such answer, or the registry or catalogue does not open.
    """
    with catalog.open_workspace(workspace, Settings().database_url).reading() as session:
        row = answers.answer(session, answer_id)
        told: dict[str, Any] = {
            "answer": _answer(row),
            "feedback": [_feedback(f) for f in answers.feedback(session, answer_id=answer_id)],
        }
        manifest, version, missing = _version(workspace, row)
        if manifest is None:
            return Lineage(**told, missing=missing)
        cycle, gap = _cycle(workspace, manifest)
        release, items, clips, hole = _release(session, manifest.release)
    gaps = [*missing, *(g for g in (gap, hole) if g)]
    return Lineage(**told, version=version, cycle=cycle, release=release, items=items, clips=clips, missing=gaps)


def _answer(row: AnswerRow) -> dict[str, Any]:
    keys = ("id", "question", "output", "version", "sha", "channel", "site", "machine", "clip", "confidence")
    return {**{k: getattr(row, k) for k in keys}, "at": row.created_at.isoformat()}


def _feedback(row: Any) -> dict[str, Any]:
    keys = ("verdict", "label", "comment", "actor")
    return {**{k: getattr(row, k) for k in keys}, "at": row.created_at.isoformat()}


def _version(workspace: Path, row: AnswerRow) -> tuple[Manifest | None, dict[str, Any] | None, list[str]]:
    """The registered version that gave the answer, with every event about it."""
    from otoloop.promote.registry import open_registry

    registry = open_registry(workspace)
    name = _registered(registry, row)
    if name is None:
        return None, None, [f"{row.version} was never registered: the answer came from a trained adapter or the base."]
    manifest = registry.manifest(name)
    events = [_event(e) for e in registry.events() if e.version == name and e.type in DECIDING]
    approvals = [e for e in events if e["type"] == "approve"]
    version = {
        "version": name, "name": row.version, "sha256": manifest.adapter_sha256, "base": manifest.base.name,
        "base_sha256": manifest.base.sha256, "parent": manifest.parent, "events": events,
        "approved_by": [e["actor"] for e in approvals if e["seq"] not in registry.ledger().void],
    }  # fmt: skip
    return manifest, version, []


def _registered(registry: Registry, row: AnswerRow) -> str | None:
    """The registered version with the adapter that answered, whatever it was called."""
    found = [v for v, e in registry.ledger().versions.items() if e.fields.get("adapter_sha256") == row.sha]
    named = row.version.partition("@")[2].partition("-")[0]
    return named if named in found else (found[-1] if found else None)


def _event(event: Event) -> dict[str, Any]:
    told = {"seq": event.seq, "type": event.type, "actor": event.actor, "time": event.time}
    return told | {k: v for k, v in (("channel", event.channel), ("reason", event.reason)) if v}


def _cycle(workspace: Path, manifest: Manifest) -> tuple[dict[str, Any], str | None]:
    """The cycle that trained it, by the commit and tag that hold all of it."""
    cycle: dict[str, Any] = {"cycle": manifest.cycle, "commit": manifest.commit, "release": manifest.release}
    repo, tag = Repo(workspace), f"cycle/{manifest.cycle:04d}"
    try:
        inputs = yaml.safe_load(repo.show(manifest.commit, PATH))
    except OtoloopError:
        return cycle, f"Commit {manifest.commit[:10]} is not in this repository; pull it to see the cycle's inputs."
    tagged = tag if repo.has_tag(tag) and repo.commit_of(tag) == repo.commit_of(manifest.commit) else None
    champion = (inputs.get("champion") or {}).get("version")
    told = {"tag": tagged, "reason": inputs.get("reason"), "owner": inputs.get("owner"), "champion": champion}
    return cycle | told, None


def _release(
    session: Session, release: str
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], list[dict[str, Any]], str | None]:
    """What it was trained and tested on: items with their split, clips with the deliveries that brought them."""
    try:
        row = releases.release(session, release)
    except OtoloopError:
        return None, [], [], f"The catalogue does not know release {release}."
    held = releases.release_items(session, release)
    items = [
        {
            "id": one.item.id,
            "clip": one.clip.id,
            "split": split,
            "question": one.item.question,
            "answer": one.item.answer,
        }
        for one, split in held
    ]
    rows = {one.clip.id: one.clip for one, _ in held}
    clips = [
        {"id": clip.id, "site": clip.site, "machine": clip.machine, "time": clip.time.isoformat(),
         "deliveries": [{"id": d.id, "bucket": d.bucket, "key": d.key, "kind": d.kind}
                        for d in deliveries.deliveries(session, clip=clip.id)]}
        for clip in rows.values()
    ]  # fmt: skip
    told = {
        "id": row.id,
        "commit": row.commit,
        "cutoff": row.cutoff.isoformat(),
        "items": len(items),
        "clips": len(clips),
    }
    return told, items, clips, None
