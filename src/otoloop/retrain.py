"""One cycle, from its inputs to its tag: what `flows/retrain.py` and `otoloop retrain` do, a function a step.

The order of the stages stands in dvc.yaml alone. A cycle that was cut off goes on where it stopped: its inputs are
committed, its finished stages are known to DVC, and it has no tag yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from otoloop.errors import OtoloopError
from otoloop.outs import read_json
from otoloop.params import load_params
from otoloop.pipeline import PIPELINE, require_sections, results, stage_names
from otoloop.promote import champions
from otoloop.promote.champions import Champion
from otoloop.release.cycle import CHAMPION, PATH, REPLAY, SUITES, next_inputs, write_inputs
from otoloop.settings import Settings
from otoloop.vcs import Repo

RELEASE = "release"
REPORT = "gate/report.json"
SCORES = "metrics/scores.json"
# What may change without making another cycle of it
_SAYS_WHY = ("cycle", "reason", "owner")

Start = Literal["new", "continued", "nothing new"]


@dataclass(frozen=True, slots=True)
class Begun:
    """A cycle by its number, and whether it was started, taken up again, or done already with the same inputs."""

    cycle: int
    start: Start

    @property
    def tag(self) -> str:
        """The tag that it gets at its end."""
        return f"cycle/{self.cycle:04d}"


@dataclass(frozen=True, slots=True)
class Done:
    """What a cycle, or the part of it that ran, left behind; ``verdict`` and ``tag`` only at its end."""

    cycle: int
    commit: str
    tag: str | None = None
    verdict: str | None = None
    reason: str = ""


def begin(workspace: Path, *, reason: str = "", owner: str = "") -> Begun:
    """Write and commit inputs/cycle.yaml for the release in the workspace, unless such a cycle is under way or done.

    Raises:
        OtoloopError: there is no release, params.yaml lacks a section that a stage reads, or somebody's uncommitted edits
            are in the way.
    """
    repo = Repo(workspace)
    require_sections(workspace)
    require_own_changes(repo)
    _fetch(repo)
    earlier, champion = _inputs(workspace), champions.current(workspace)
    now = _next_inputs(workspace, champion, reason, owner or Settings().actor)
    begun = _begun(repo, earlier, now)
    if begun.start == "nothing new":
        return begun
    if begun.start == "new":
        with champions.files(workspace, champion) as folder:
            write_inputs(workspace, now, folder)
    repo.commit(_input_files(repo), f"Start cycle {begun.cycle}: {reason or 'as asked'}")
    return begun


def _begun(repo: Repo, earlier: dict[str, Any] | None, now: dict[str, Any]) -> Begun:
    """Whether these inputs make a new cycle, or were those of the last one."""
    if earlier and _same(earlier, now):
        before = Begun(int(earlier["cycle"]), "continued")
        if not repo.has_tag(before.tag):
            return before
        if not _moved_since(repo, before.tag):
            return Begun(before.cycle, "nothing new")
    return Begun(int(now["cycle"]), "new")


def _fetch(repo: Repo) -> None:
    """What the inputs speak of must lie here: on a fresh clone it does not yet."""
    for name in (RELEASE, SUITES, REPLAY):
        if (repo.workspace / f"{name}.dvc").is_file() and not (repo.workspace / name).is_dir():
            repo.dvc_pull(name)


def take_over(workspace: Path) -> Begun:
    """Go on with the cycle that another machine began and pushed: fetch its commits; data come stage by stage.

    Raises:
        OtoloopError: there is none, or its commits do not continue ours.
    """
    Repo(workspace).pull_commits()
    inputs = _inputs(workspace)
    if inputs is None:
        raise OtoloopError(f"There is no {PATH} in {workspace}.", "Run the first stages before those that follow.")
    return Begun(int(inputs["cycle"]), "continued")


def hand_over(workspace: Path, names: Sequence[str]) -> None:
    """Tell whoever runs the later stages that those before them are pushed and committed."""
    from otoloop.notify import notify

    everything = stage_names(workspace)
    following = everything[everything.index(names[-1]) + 1]
    number = (_inputs(workspace) or {}).get("cycle")
    notify(workspace, "otoloop.cycle.handed-over", f"otoloop.cycle.{number}", {"first": following})


def renew_inputs(workspace: Path, reason: str, owner: str) -> None:
    """inputs/cycle.yaml for the release, the suites and the base that the workspace holds now, without a champion."""
    write_inputs(workspace, _next_inputs(workspace, None, reason, owner), None)


def _next_inputs(workspace: Path, champion: Champion | None, reason: str, owner: str) -> dict[str, Any]:
    from otoloop.train.base import describe

    suites = [
        {"name": path.stem, "items": path.relative_to(workspace).as_posix(), "role": "guard", "watch": []}
        for path in sorted((workspace / SUITES).glob("*.parquet"))
    ]
    replay = [
        {"items": path.relative_to(workspace).as_posix()} for path in sorted((workspace / REPLAY).glob("*.parquet"))
    ]
    base = describe(load_params(workspace / "params.yaml").base)
    told = champion.to_json() if champion else None
    return next_inputs(
        workspace, base=base, suites=suites, replay=replay, champion=told, reason=reason, owner=owner
    )  # fmt: skip


def _inputs(workspace: Path) -> dict[str, Any] | None:
    path = workspace / PATH
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))) if path.is_file() else None


def _same(earlier: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether two cycles have the same inputs: a cycle whose own candidate became the champion has nothing new to find."""
    keys = {*earlier, *now} - {*_SAYS_WHY, "champion"}
    own = (now.get("champion") or {}).get("cycle") == earlier["cycle"]
    return all(earlier.get(k) == now.get(k) for k in keys) and (own or earlier.get("champion") == now.get("champion"))


def _moved_since(repo: Repo, tag: str) -> bool:
    """Whether parameters, pipeline or code changed after a cycle was tagged."""
    files = ("params.yaml", PIPELINE, "otoloop.lock")
    paths = {name: repo.workspace / name for name in files}
    here = {name: path.read_text(encoding="utf-8").strip() for name, path in paths.items() if path.is_file()}
    return any(repo.show(tag, name).strip() != text for name, text in here.items())


def _input_files(repo: Repo) -> list[str]:
    """What to commit of the inputs: pointers of data under DVC, other files as they are."""
    kept = repo.dvc_add(CHAMPION) if (repo.workspace / CHAMPION).is_dir() else []
    return [PATH, *(str(path.relative_to(repo.workspace)) for path in kept)]


def require_own_changes(repo: Repo) -> None:
    """Refuse to start on edits that are not what an earlier, unfinished cycle left.

    Raises:
        OtoloopError: names the changed files.
    """
    ours = {PIPELINE.replace(".yaml", ".lock"), PATH, *results(repo.workspace)}
    foreign = [name for name in repo.changed() if not _within(name, ours)]
    if foreign:
        repo.require_clean(foreign)


def _within(name: str, owned: Iterable[str]) -> bool:
    return name.endswith(".gitignore") or any(name == one or name.startswith(f"{one}/") for one in owned)


def reproduce(workspace: Path, stage: str, say: Any = None) -> None:
    """Bring one stage up to date; DVC skips it when nothing that it reads has changed."""
    Repo(workspace).dvc_repro(stage, on_line=say)


def finish(workspace: Path, names: Sequence[str]) -> Done:
    """Push what the stages made, verify that it is there, then commit; tag the cycle when its last stage is among them.

    Raises:
        OtoloopError: the remote does not hold what was pushed.
    """
    repo, inputs = Repo(workspace), _inputs(workspace)
    assert inputs is not None, "a cycle has begun"
    whole = names[-1] == stage_names(workspace)[-1]
    repo.dvc_push(*names)
    repo.verify_pushed("dvc.lock")
    report = read_json(workspace / REPORT) if whole else {}
    number, verdict, why = int(inputs["cycle"]), report.get("verdict"), str(report.get("reason", ""))
    message = f"Cycle {number}: {verdict}" if whole else f"Cycle {number}: {names[0]} to {names[-1]}"
    commit = repo.commit(_made(repo), message)
    tag = Begun(number, "new").tag if whole else None
    if tag:
        repo.tag(tag, message)
    repo.push_commits()
    return Done(number, commit, tag, verdict, why)


def _made(repo: Repo) -> list[str]:
    """Changed files that a cycle owns: dvc.lock, results kept in git, and ignore files that DVC wrote."""
    owned = {"dvc.lock", *results(repo.workspace, in_git=True)}
    return [name for name in repo.changed() if _within(name, owned)]


def score_table(workspace: Path) -> list[dict[str, Any]]:
    """The scores of the last cycle for people: a row for each model and suite."""
    answerers = read_json(workspace / SCORES)["answerers"]
    return [
        {"model": name, "suite": suite, "items": found["n"], "right": share(found["accuracy"], found["ci95"])}
        for name, suites in answerers.items()
        for suite, found in suites.items()
    ]


def share(value: float | None, interval: Sequence[float] | None) -> str:
    """A share with its interval, as in ``71 % (63-78)``."""
    if value is None:
        return "-"
    return f"{100 * value:.0f} %" + (f" ({100 * interval[0]:.0f}-{100 * interval[1]:.0f})" if interval else "")
