"""Make a release: intent, shards, dvc add, push, verify, commit, tag, close.

A crash between any two of these changes nothing: the intent says what the release holds, every later step may be done
again, and an open intent is finished before another is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop import catalog, crash, store
from otoloop.catalog import releases
from otoloop.errors import OtoloopError
from otoloop.outs import read_json
from otoloop.params import Params, load_params
from otoloop.release import general, layout, shards, snapshot
from otoloop.release.sounds import require_named
from otoloop.release.verify import require_sound
from otoloop.settings import Settings
from otoloop.store.content import get_audio_many
from otoloop.vcs import Repo

if TYPE_CHECKING:
    from otoloop.catalog import Catalog

FOLDER = "release"
STEPS = ("intent", "shards", "dvc add", "push", "verify", "commit", "tag", "close")
Say = Callable[[str], None]


def tag_of(release: str) -> str:
    """The git tag of a release."""
    return f"release/{release}"


def create(workspace: Path, *, cutoff: datetime | None = None, say: Say = lambda _: None) -> dict[str, Any] | None:
    """Freeze what is approved up to ``cutoff`` (now by default), or finish the release that was begun.

    Returns:
        ``{release, tag, commit, counts, withheld, warnings}``; None when nothing new is approved.

    Raises:
        OtoloopError: the store, git or DVC failed, or what was written is not sound; run it again to go on.
    """
    repo, params = Repo(workspace), load_params(workspace / "params.yaml")
    book = catalog.open_workspace(workspace, Settings().database_url)
    try:
        with repo.lease(purpose="make a release"):
            next(store.connect(repo.services).list("audio"), None)  # fails before anything is begun
            release = _intent(book, repo, params, cutoff or datetime.now(UTC))
            return _finish(book, repo, params, release, say) if release else None
    finally:
        book.close()


def _intent(book: Catalog, repo: Repo, params: Params, cutoff: datetime) -> str | None:
    """The id of the open intent; else of a new one, if there is anything new."""
    root = repo.workspace / FOLDER
    _fetch_last(repo, root)
    with book.reading() as session:
        known = releases.intents(session)
    if waiting := [row.id for row in known if row.state == "open"]:
        return waiting[0]
    manifest = _last(root, known[-1].id if known else None)
    with book.session() as session:
        row = snapshot.take(
            session, cutoff, shards.read_splits(root), params.release,
            base_shards=sum(name.startswith("audio/") for name in manifest.get("files", ())),
            last=manifest.get("release"),
        )  # fmt: skip
        return row.id if row else None


def _fetch_last(repo: Repo, root: Path) -> None:
    """The release before must lie here: its shards stay, its splits hold."""
    if (repo.workspace / f"{FOLDER}.dvc").is_file() and not (root / layout.MANIFEST).is_file():
        repo.dvc_pull(FOLDER)


def _last(root: Path, last: str | None) -> dict[str, Any]:
    """The manifest of the release to build on; empty before the first.

    It must be the last one, whole: an older one knows too few splits, and what is damaged would stay so for ever.
    """
    if last is None and not (root / layout.MANIFEST).is_file():
        return {}
    require_sound(root)
    manifest: dict[str, Any] = read_json(root / layout.MANIFEST)
    if manifest["release"] != last:
        message = f"{root} holds {manifest['release']}; the last one in the catalogue is {last or 'none'}."
        remedy = (
            "Restore it: `git checkout` and `dvc checkout release.dvc`; or name its catalogue in OTOLOOP_DATABASE_URL."
        )
        raise OtoloopError(message, remedy)
    return manifest


def _finish(book: Catalog, repo: Repo, params: Params, release: str, say: Say) -> dict[str, Any]:
    """All steps after the intent; each may have been done before."""
    crash.here("intent")
    say(f"{release}: writing shards")
    manifest = _write(book, repo, params, release)
    crash.here("shards")
    say(f"{release}: keeping them in DVC, the first time with general sounds against forgetting")
    kept = [FOLDER, *general.ensure(repo, params.release)]
    pointers = repo.dvc_add(*kept)
    crash.here("dvc add")
    say(f"{release}: pushing")
    repo.dvc_push(*kept)
    crash.here("push")
    for path in kept:
        repo.verify_pushed(path)
    crash.here("verify")
    repo.commit(pointers, f"Release {release}: {_in_words(manifest)}")
    crash.here("commit")
    if not repo.has_tag(tag_of(release)):
        repo.tag(tag_of(release), f"Release {release}")
    crash.here("tag")
    commit = repo.commit_of(tag_of(release))
    repo.push_commits()
    with book.session() as session:
        releases.close_intent(session, release, commit=commit, meta={"counts": manifest["counts"]})
    crash.here("close")
    return {
        "release": release, "tag": tag_of(release), "commit": commit, "counts": manifest["counts"],
        "withheld": manifest["withheld"], "warnings": warnings(manifest, params.gate.min_clusters),
    }  # fmt: skip


def _write(book: Catalog, repo: Repo, params: Params, release: str) -> dict[str, Any]:
    with book.reading() as session:
        content = snapshot.content(session, releases.release(session, release))
    client = store.connect(repo.services)

    def fetch(clips: Sequence[str]) -> Iterable[tuple[str, bytes]]:
        return require_named(get_audio_many(client, clips))

    manifest = shards.write(repo.workspace / FOLDER, content, fetch, params.release.shard_mb)
    require_sound(repo.workspace / FOLDER)
    return manifest


def _in_words(manifest: dict[str, Any]) -> str:
    return ", ".join(f"{c['items']} {split}" for split, c in manifest["counts"].items())


def warnings(manifest: dict[str, Any], min_clusters: int) -> list[str]:
    """What a person should know before training on it."""
    counts, found = manifest["counts"], []
    if counts["test"]["sessions"] < min_clusters:
        found.append(
            f"The test has {counts['test']['sessions']} independent recordings; the gate wants {min_clusters}, "
            f"so its verdict will be 'not enough data': record {min_clusters - counts['test']['sessions']} more."
        )
    if not counts["train"]["items"]:
        found.append("There is nothing to train on: all recordings went into the test. Record more sessions.")
    if manifest["withheld"]:
        found.append(f"{manifest['withheld']} items are withheld: their clips resemble clips of another split.")
    return found
