"""A workspace's git and DVC history: lease, refuse dirty, add, push, verify, commit, tag."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from otoloop.errors import OtoloopError
from otoloop.settings import state_dir
from otoloop.vcs import remote
from otoloop.vcs.run import OnLine, dvc, git
from otoloop.workspace.lock import hold

FALLBACK_IDENTITY = ("-c", "user.name=otoloop", "-c", "user.email=otoloop@localhost")
LEASE_WAIT_S = 3600.0


class Repo:
    """One workspace under git and DVC. Whoever writes holds the `lease`; reading needs none."""

    def __init__(self, workspace: Path, *, services: Path | None = None) -> None:
        """``services`` names the workspace whose servers are used, where that is another one (a clone to verify)."""
        self.workspace = workspace.resolve()
        self.services = (services or workspace).resolve()

    def _git(self, *arguments: str) -> str:
        return git(self.workspace, *arguments, services=self.services).stdout.strip()

    def _dvc(self, *arguments: str, on_line: OnLine | None = None) -> str:
        return dvc(self.workspace, *arguments, services=self.services, on_line=on_line)

    # ---- who may write -------------------------------------------------------------------------------------------

    def lease(
        self, *, wait_s: float = LEASE_WAIT_S, purpose: str = "change the repository"
    ) -> AbstractContextManager[None]:
        """The right to write: one process at a time; it ends with the block or with the process."""
        return hold(state_dir(self.workspace) / "vcs.lock", purpose=purpose, wait_s=wait_s)

    def changed(self, paths: Sequence[str | Path] = ()) -> list[str]:
        """Files that differ from the last commit or are new, of ``paths`` or of everything."""
        arguments = ["status", "--porcelain", "--untracked-files=all", "--", *self._relative(paths)]
        return [line[3:] for line in git(self.workspace, *arguments, services=self.services).stdout.splitlines()]

    def clean(self, paths: Sequence[str | Path] = ()) -> bool:
        """Whether nothing differs from the last commit."""
        return not self.changed(paths)

    def require_clean(self, paths: Sequence[str | Path] = ()) -> None:
        """Refuse to build on somebody's unfinished edits.

        Raises:
            OtoloopError: names the changed files.
        """
        if changed := self.changed(paths):
            shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
            raise OtoloopError(
                f"Uncommitted changes in {self.workspace}: {shown}.", "Commit them or take them back first."
            )

    # ---- data ----------------------------------------------------------------------------------------------------

    def dvc_add(self, *paths: str | Path) -> list[Path]:
        """Put files and folders under DVC; returns the small files to commit in their place."""
        names = self._relative(paths)
        self._dvc("add", *names)
        pointers = [self.workspace / f"{name}.dvc" for name in names]
        beside = dict.fromkeys(pointer.parent / ".gitignore" for pointer in pointers)
        return [found for found in (*pointers, *beside) if found.is_file()]

    def dvc_push(self, *targets: str | Path) -> None:
        """Copy the data of targets (paths or stages; none = everything) to the remote.

        Raises:
            OtoloopError: its server does not run, or dvc failed.
        """
        self._find_remote()
        self._dvc("push", *self._relative(targets))

    def dvc_pull(self, *targets: str | Path) -> None:
        """Fetch the data of targets (none = everything) from the remote; see `dvc_push` for errors."""
        self._find_remote()
        self._dvc("pull", *self._relative(targets))

    def _find_remote(self) -> None:
        """Say so when the server of an S3 remote is down: dvc would miss credentials, or take the user's own store."""
        remote.open_remote(self.workspace, self.services)

    def dvc_repro(
        self,
        stage: str | None = None,
        *,
        single: bool = True,
        pull: bool = True,
        force: bool = False,
        on_line: OnLine | None = None,
    ) -> str:
        """Bring a stage up to date (all stages without a name); returns what dvc printed.

        Args:
            stage: its name in dvc.yaml.
            single: only that stage, not what it depends on.
            pull: fetch missing inputs and earlier results from the remote.
            force: run it even if nothing changed.
            on_line: called with each line as it comes.
        """
        flags = ["--single-item"] * (single and stage is not None) + ["--pull"] * pull + ["--force"] * force
        return self._dvc("repro", *flags, *([stage] if stage else []), on_line=on_line)

    def verify_pushed(self, path: str | Path) -> None:
        """Prove that the remote holds the data of ``path`` with the right size and md5.

        Args:
            path: something added with `dvc_add`, or ``dvc.lock`` for everything the stages made.

        Raises:
            OtoloopError: something is missing or differs.
        """
        name = self._relative([path])[0]
        is_lock = name.endswith("dvc.lock")
        outs = remote.outs_of(self.workspace / (name if is_lock or name.endswith(".dvc") else f"{name}.dvc"))
        if is_lock:  # results with `cache: false` live in git, the others are git-ignored
            outs = [out for out in outs if self._ignored(out.path)]
        remote.verify(remote.open_remote(self.workspace, self.services), outs)

    def fetch_out(self, revision: str, path: str, into: Path) -> Path:
        """Write a folder that a stage made, as it was at a revision, into ``into``: from the remote, checked by md5.

        Raises:
            OtoloopError: no stage of that revision made it, or the remote does not hold it as it was.
        """
        outs = [out for out in remote.parse_outs(self.show(revision, "dvc.lock"), "dvc.lock") if out.path == path]
        if not outs:
            raise OtoloopError(f"No stage at {revision[:10]} made {path}.", "Give the commit of a finished cycle.")
        remote.write_folder(remote.open_remote(self.workspace, self.services), outs[0], into)
        return into

    def _ignored(self, path: str) -> bool:
        return git(self.workspace, "check-ignore", "--quiet", "--", path, check=False).returncode == 0

    # ---- commits -------------------------------------------------------------------------------------------------

    def head(self) -> str:
        """The id of the last commit."""
        return self._git("rev-parse", "HEAD")

    def commit(self, paths: Sequence[str | Path], message: str) -> str:
        """Commit exactly these paths, whatever else is staged; no change, no commit. Returns the last commit's id."""
        names = self._relative(paths)
        self._git("add", "--", *names)
        if git(self.workspace, "diff", "--cached", "--quiet", "--", *names, check=False).returncode:
            self._git(*self._identity(), "commit", "--message", message, "--", *names)
        return self.head()

    def tag(self, name: str, message: str, *, at: str = "HEAD") -> None:
        """Tag a commit, the last one by default; the same tag on the same commit is fine.

        Raises:
            OtoloopError: the tag names another commit, or there is no such commit.
        """
        if self.has_tag(name):
            if self.commit_of(name) == self.commit_of(at):
                return
            raise OtoloopError(f"The tag {name} exists and names {self.commit_of(name)[:10]}.", "Take another name.")
        self._git(*self._identity(), "tag", "--annotate", name, "--message", message, self.commit_of(at))

    def tag_message(self, name: str) -> str:
        """What was written into an annotated tag."""
        return self._git("tag", "--list", "--format=%(contents)", name)

    def has_tag(self, name: str) -> bool:
        """Whether a tag of that name exists."""
        reference = f"refs/tags/{name}"
        return git(self.workspace, "rev-parse", "--quiet", "--verify", reference, check=False).returncode == 0

    def tags(self, pattern: str = "*") -> list[str]:
        """Tags that match, in version order."""
        return self._git("tag", "--list", pattern, "--sort=version:refname").splitlines()

    def commit_of(self, revision: str) -> str:
        """The id of the commit that a tag, branch or short id names."""
        return self._git("rev-parse", "--verify", f"{revision}^{{commit}}")

    def has_commit(self, revision: str) -> bool:
        """Whether this clone has a commit."""
        done = git(self.workspace, "cat-file", "-e", f"{revision}^{{commit}}", check=False, services=self.services)
        return done.returncode == 0

    def has_file(self, revision: str, path: str) -> bool:
        """Whether a file was there at a revision."""
        done = git(self.workspace, "cat-file", "-e", f"{revision}:{path}", check=False, services=self.services)
        return done.returncode == 0

    def show(self, revision: str, path: str) -> str:
        """A text file as it was at a revision."""
        return git(self.workspace, "show", f"{revision}:{path}", services=self.services).stdout

    def time_of(self, revision: str) -> datetime:
        """When the commit that a tag, branch or id names was made."""
        return datetime.fromisoformat(self._git("log", "-1", "--format=%cI", revision))

    def read_at(self, revision: str, path: str) -> bytes:
        """A file that a stage made and DVC keeps, as it was at a revision: from the cache here, else from the remote.

        Raises:
            OtoloopError: no stage had made such a file then, or its data are gone.
        """
        return remote.read_at(self.workspace, self.services, self.show(revision, "dvc.lock"), path)

    def push_commits(self) -> bool:
        """Push the branch and its tags to ``origin``; False if there is none."""
        if "origin" not in self._git("remote").splitlines():
            return False
        self._git("push", "--follow-tags", "origin", "HEAD")
        return True

    def push_tags(self, names: Sequence[str]) -> bool:
        """Push tags alone to ``origin``; False if there is none."""
        if not names or "origin" not in self._git("remote").splitlines():
            return False
        self._git("push", "origin", *(f"refs/tags/{name}" for name in names))
        return True

    def pull_commits(self) -> bool:
        """Fetch and take over what was pushed to ``origin``; False if there is none.

        Raises:
            OtoloopError: its branch does not continue ours.
        """
        if "origin" not in self._git("remote").splitlines():
            return False
        self._git("pull", "--ff-only", "--tags", "origin", self._git("branch", "--show-current"))
        return True

    def clone(self, revision: str, into: Path) -> Repo:
        """A fresh clone at a tag or commit that uses this workspace's servers and DVC remote."""
        git(
            self.workspace,
            "clone",
            "--no-hardlinks",
            "--no-checkout",
            str(self.workspace),
            str(into.resolve()),
            services=self.services,
        )
        checkout = ["-c", "advice.detachedHead=false", "checkout", self.commit_of(revision)]
        git(into, *checkout, services=self.services)
        self._lend_remote(into)
        return Repo(into, services=self.services)

    def _lend_remote(self, into: Path) -> None:
        """Carry over what git does not: local settings, and the place of a remote that is a folder beside us."""
        local = self.workspace / ".dvc" / "config.local"
        if local.is_file():
            shutil.copyfile(local, into / ".dvc" / "config.local")
        try:
            folder = remote.folder_of(self.workspace, remote.remote_url(self.workspace))
        except OtoloopError:
            return
        if folder is not None and not self._travels(folder, into):
            name = dvc(into, "config", "core.remote", services=self.services).strip()
            dvc(into, "remote", "modify", "--local", name, "url", str(folder), services=self.services)

    def _travels(self, folder: Path, into: Path) -> bool:
        """Whether a folder is part of the repository itself: the clone has its own, as it was at that commit."""
        return folder.is_relative_to(self.workspace) and (into / folder.relative_to(self.workspace)).is_dir()

    def _identity(self) -> tuple[str, ...]:
        """Nothing if the user has a git identity, else ours: git refuses to commit without one."""
        known = git(self.workspace, "config", "user.email", check=False).returncode == 0
        return () if known else FALLBACK_IDENTITY

    def _relative(self, paths: Iterable[str | Path]) -> list[str]:
        """Paths as seen from the workspace."""
        return [
            str(p.resolve().relative_to(self.workspace)) if (p := Path(one)).is_absolute() else str(p) for one in paths
        ]


def create(folder: Path) -> Repo:
    """Make a folder a git and DVC repository where it is none yet (no commit)."""
    if not (folder / ".git").exists():
        git(folder, "init", "--initial-branch", "main")
    if not (folder / ".dvc").exists():
        dvc(folder, "init")
    return Repo(folder)
