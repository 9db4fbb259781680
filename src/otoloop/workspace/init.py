"""`otoloop init`: a workspace of one's own from the files that this package carries."""

from __future__ import annotations

import re
import shutil
from importlib import resources
from pathlib import Path
from string import Template

from otoloop import vcs
from otoloop.errors import OtoloopError, room_for
from otoloop.params import LONGEST_PREFIX, PREFIX
from otoloop.settings import state_dir

TEMPLATES = resources.files("otoloop.workspace") / "templates"
OWN = {
    "params.yaml.tmpl": "params.yaml",
    "machines.yaml.tmpl": "machines.yaml",
    "gitignore.tmpl": ".gitignore",
    "dvcignore.tmpl": ".dvcignore",
    "dvc_config.tmpl": ".dvc/config",
}
"""Templates with the prefix filled in. All others are copies of this repository's own files, taken over as they are."""


def init(folder: Path, *, prefix: str = "otoloop") -> Path:
    """Make a workspace: git and DVC repository, the pipeline, the flows, parameters, and a first commit.

    Args:
        folder: new, or with files of the user's own that none of ours would replace.
        prefix: start of the bucket names; give workspaces that share an S3 store different ones.

    Returns:
        The workspace's absolute path.

    Raises:
        OtoloopError: a file of ours is there already, or the prefix cannot be part of a bucket name. A new folder that
            could not be finished is removed again.
    """
    if not re.fullmatch(PREFIX, prefix) or len(prefix) > LONGEST_PREFIX:
        raise OtoloopError(
            f"The prefix {prefix!r} cannot start a bucket name.",
            f"Use lower-case letters, digits and single dashes, at most {LONGEST_PREFIX} characters.",
        )
    folder = folder.resolve()
    files = _files(prefix)
    _require_room(folder, files)
    new = not folder.exists()
    try:
        _make(folder, files)
    except BaseException:
        if new:  # so that the same command may be repeated
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _make(folder: Path, files: dict[str, str]) -> None:
    """Repository, files, first commit."""
    with room_for(folder):
        folder.mkdir(parents=True, exist_ok=True)
        repo = vcs.create(folder)
        _write(folder, files)
        state_dir(folder)
        repo.commit([*files, ".dvc/.gitignore"], "Start an otoloop workspace")


def _files(prefix: str) -> dict[str, str]:
    """Every file of a new workspace by its path."""
    files = {}
    for name, text in _templates().items():
        target = OWN.get(name)
        files[target or name.removesuffix(".tmpl")] = Template(text).substitute(prefix=prefix) if target else text
    return files


def _templates() -> dict[str, str]:
    """The carried files by their path below the templates folder."""
    with resources.as_file(TEMPLATES) as root:
        return {str(p.relative_to(root)): p.read_text(encoding="utf-8") for p in sorted(root.rglob("*.tmpl"))}


def _require_room(folder: Path, files: dict[str, str]) -> None:
    """Refuse to replace anything."""
    if folder.exists() and not folder.is_dir():
        raise OtoloopError(f"{folder} is a file.", "Give a folder.")
    for name in files:
        if (folder / name).exists():
            raise OtoloopError(
                f"{folder / name} exists already.", "Give a new folder; an existing workspace needs no init."
            )


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write the files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
