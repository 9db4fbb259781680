"""Running git and dvc: the workspace's environment, no questions asked, and failures in one sentence."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from otoloop.errors import OtoloopError
from otoloop.workspace import environment

NOT_OURS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "DVC_ROOT")
"""Set inside hooks and by some tools: they would point our commands at another repository."""
STALE_LOCK_S = 5.0
_NOT_DONE = "ERROR: failed to transfer"
"""`dvc add` on a full disk says so and ends with 0 all the same."""
_CHATTER = ("Having any troubles?", "https://dvc.org/support", "To track the changes with git", "git add ",
            "To enable auto staging", "dvc config core.autostage")  # fmt: skip
_FULL = ("no space left", "out of diskspace", "disk quota exceeded")

OnLine = Callable[[str], None]


def child_env(folder: Path, services: Path) -> dict[str, str]:
    """The environment of commands that work in ``folder`` with the servers of ``services`` (usually the same)."""
    env = {name: value for name, value in environment(services).items() if name not in NOT_OURS}
    return env | {"OTOLOOP_WORKSPACE": str(folder.resolve()), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}


def git(
    folder: Path, *arguments: str, check: bool = True, services: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run git in a folder.

    Raises:
        OtoloopError: it failed and ``check`` is set; carries git's own words.
    """
    command = ["git", *arguments]
    env = child_env(folder, services or folder)
    done = _capture(command, folder, env)
    if done.returncode and "index.lock" in done.stderr and _drop_stale_lock(folder):
        done = _capture(command, folder, env)
    if check and done.returncode:
        raise _failed(command, done.stderr or done.stdout, folder)
    return done


def dvc(folder: Path, *arguments: str, services: Path | None = None, on_line: OnLine | None = None) -> str:
    """Run dvc in a folder, waiting for its repository lock instead of giving up after 3 s; returns its output.

    Raises:
        OtoloopError: it failed; carries dvc's own words (so it never runs with ``-q``, which hides them).
    """
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=child_env(folder, services or folder), text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip("\n"))
                if on_line:
                    on_line(lines[-1])
            code = process.wait()
        except BaseException:
            process.terminate()
            raise
    if code or any(line.startswith(_NOT_DONE) for line in lines):
        _drop_unfinished(folder)
        raise _failed(["dvc", *arguments], "\n".join(lines), folder)
    return "\n".join(lines)


def _drop_unfinished(folder: Path) -> None:
    """Remove the copies that a failed dvc began and left in its cache; dvc waits for others, so none is in use."""
    for path in (folder / ".dvc" / "cache" / "files" / "md5").glob("*/.*.tmp"):
        path.unlink(missing_ok=True)


def _capture(command: Sequence[str], folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run to the end with the output kept."""
    try:
        return subprocess.run(
            command, cwd=folder, env=env, text=True, errors="replace", capture_output=True, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as err:
        if not folder.is_dir():
            raise OtoloopError(f"There is no folder {folder}.", "Check the path.") from err
        raise OtoloopError(f"The command {command[0]} is not installed.", f"Install {command[0]}.") from err


def _failed(command: Sequence[str], output: str, folder: Path) -> OtoloopError:
    """The command and what it said was wrong."""
    lines = [line for raw in output.splitlines() if (line := raw.strip()) and not line.startswith(_CHATTER)]
    bad = [i for i, line in enumerate(lines) if line.lower().startswith(("error", "fatal", "failed"))]
    words = " ".join(lines[bad[0] :] if bad else lines[-2:]) or "it said nothing"
    shown = " ".join(command)
    if any(sign in words.lower() for sign in _FULL):
        return OtoloopError(
            f"`{shown}` failed: the disk of {folder} is full.", "Free some space, then run the same command again."
        )
    return OtoloopError(f"`{shown}` failed: {words[:600]}", _remedy(words))


def _remedy(words: str) -> str:
    """What usually helps."""
    low = words.lower()
    if "nosuchbucket" in low:
        return "Run `otoloop up --only s3`, which creates the buckets, or correct the remote in .dvc/config."
    if "could not connect" in low or "endpoint" in low or "connection" in low:
        return "Start the S3 server with `otoloop up --only s3`, or check OTOLOOP_S3_ENDPOINT."
    if "credentials" in low or "forbidden" in low or "access denied" in low:
        return "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    if "dubious ownership" in low:
        return "The folder belongs to another user: run the command as its owner."
    return "Correct what it names, then run the same command again; nothing was half done."


def _drop_stale_lock(folder: Path) -> bool:
    """Remove the index lock of a git that was killed: it is old and no git works in this folder."""
    lock = folder / ".git" / "index.lock"
    try:
        if time.time() - lock.stat().st_mtime < STALE_LOCK_S or any(
            _works_in(p, folder) for p in psutil.process_iter()
        ):
            return False
        lock.unlink()
        return True
    except OSError:
        return False


def _works_in(process: psutil.Process, folder: Path) -> bool:
    """Whether a process is a git inside the folder."""
    try:
        return bool(process.name() == "git" and Path(process.cwd()).is_relative_to(folder.resolve()))
    except (psutil.Error, OSError):
        return False
