"""Background processes of a workspace: started in sessions of their own, recorded, and ended without leaving any.

Every part carries `MARKER` in its environment. What a part starts inherits it, also when it moves to a session of its
own (as the children of a Prefect worker do), so `reap` finds what no record lists.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import psutil

from otoloop.errors import OtoloopError
from otoloop.settings import state_dir
from otoloop.workspace.state import LOOPBACK, Part, change, load

MARKER = "OTOLOOP_PART_OF"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to start: ``ready`` is asked until it says yes, for at most ``timeout_s``."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    ready: Callable[[], bool]
    timeout_s: float = 60
    cwd: Path | None = None
    port: int | None = None
    url: str | None = None
    ports: Mapping[str, int] = field(default_factory=dict)


def start(workspace: Path, plan: Plan) -> Part:
    """Start one part; see `start_all`."""
    return start_all(workspace, [plan])[0]


def start_all(workspace: Path, plans: Sequence[Plan]) -> list[Part]:
    """Start parts side by side, record them, wait until all are ready; any failure, Ctrl-C included, ends them again.

    Raises:
        OtoloopError: one ended or was not ready in time; carries the last line of its log.
    """
    begun: list[tuple[Plan, subprocess.Popen[bytes], Path]] = []
    try:
        for plan in plans:
            log = state_dir(workspace) / "logs" / f"{plan.name}.log"
            begun.append((plan, _spawn(workspace, plan, log), log))
        parts = [_record(workspace, *one) for one in begun]
        for one in begun:
            _await_ready(*one)
        return parts
    except BaseException:
        for _, process, _ in begun:
            _end_group(process.pid, grace_s=1)
        for plan, _, _ in begun:
            forget(workspace, plan.name)
        raise


def _spawn(workspace: Path, plan: Plan, log: Path) -> subprocess.Popen[bytes]:
    """The process itself: no terminal, its own session, output to its log."""
    env = {**plan.env, MARKER: str(workspace.resolve())}
    with _new_log(log) as out:
        return subprocess.Popen(
            list(plan.command), env=env, cwd=plan.cwd or workspace, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _new_log(log: Path) -> BinaryIO:
    """An empty log that its owner alone may read; the one before stays beside it, so that a part's last words do."""
    log.parent.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_name(f"{log.name}.1"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _record(workspace: Path, plan: Plan, process: subprocess.Popen[bytes], log: Path) -> Part:
    """Write the part to state.json."""
    try:
        started = psutil.Process(process.pid).create_time()
    except psutil.Error:
        started = time.time()
    part = Part(
        name=plan.name, pid=process.pid, pgid=process.pid, started=started, log=str(log), host=LOOPBACK,
        port=plan.port, url=plan.url, ports=dict(plan.ports),
    )  # fmt: skip
    with change(workspace) as state:
        state.parts[plan.name] = part
        state.ports[plan.name] = {**plan.ports, **({"port": plan.port} if plan.port else {})}
    return part


def _await_ready(plan: Plan, process: subprocess.Popen[bytes], log: Path) -> None:
    """Ask ``ready`` until yes."""
    end = time.monotonic() + plan.timeout_s
    while not (plan.ready() and _listens(process.pid, plan.port)):
        if process.poll() is not None:
            raise OtoloopError(
                f"{plan.name} ended while starting (exit code {process.returncode}): {last_line(log)}", f"See {log}."
            )
        if time.monotonic() > end:
            raise OtoloopError(
                f"{plan.name} was not ready after {plan.timeout_s:.0f} s: {last_line(log)}", f"See {log}."
            )
        time.sleep(0.1)


def _listens(pgid: int, port: int | None) -> bool:
    """Whether the group itself holds the port: another workspace's server may have taken it a moment before."""
    return port is None or any(_group_of(one) == pgid and _holds(one, port) for one in psutil.process_iter())


def _holds(process: psutil.Process, port: int) -> bool:
    try:
        sockets = process.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)


def last_line(log: Path) -> str:
    """The last line with words in a log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "(it wrote nothing)")


def stop(workspace: Path, names: Iterable[str], *, grace_s: float = 10) -> list[str]:
    """End the named parts together, politely first, and forget them; returns those that ran."""
    parts = load(workspace).parts
    wanted = [parts[name] for name in names if name in parts]
    ended = [part for part in wanted if part.alive()]
    for part in ended:
        _signal(part.pgid, signal.SIGTERM)
    for part in ended:
        _end_group(part.pgid, grace_s=grace_s)
    for part in wanted:
        forget(workspace, part.name)
    return [part.name for part in ended]


def forget(workspace: Path, name: str) -> None:
    """Take a part out of the record; its ports stay remembered."""
    with change(workspace) as state:
        state.parts.pop(name, None)


def _end_group(pgid: int, *, grace_s: float) -> None:
    """SIGTERM a process group, wait, then SIGKILL what is left of it."""
    _signal(pgid, signal.SIGTERM)
    end = time.monotonic() + grace_s
    while _group_alive(pgid):
        if time.monotonic() > end:
            _signal(pgid, signal.SIGKILL)
            end = time.monotonic() + 5
        time.sleep(0.05)


def _group_alive(pgid: int) -> bool:
    """Whether the group has a member that is not a zombie (our own dead children are collected here)."""
    try:
        while os.waitpid(-pgid, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return any(_group_of(process) == pgid for process in psutil.process_iter())


def _group_of(process: psutil.Process) -> int | None:
    """A living process's group."""
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getpgid(process.pid)
    except (psutil.Error, ProcessLookupError, PermissionError):
        return None


def _signal(pgid: int, number: signal.Signals) -> None:
    """Signal a group that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)


def marked(workspace: Path) -> list[psutil.Process]:
    """Every living process that carries this workspace's marker, but for this one and its parents."""
    mine = str(workspace.resolve())
    family = {os.getpid(), *(p.pid for p in psutil.Process().parents())}
    return [p for p in psutil.process_iter() if p.pid not in family and _marker(p) == mine]


def _marker(process: psutil.Process) -> str | None:
    """The marker in a process's environment, if that can be read."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        value: str | None = process.environ().get(MARKER)
        return value
    except (psutil.Error, OSError):
        return None


def reap(workspace: Path, *, spare: Iterable[Part] = (), grace_s: float = 3) -> int:
    """End every process that carries the marker, recorded or not, but for the spared parts; returns how many.

    Repeats until none is left, since a process may start another while it is being ended.
    """
    count, groups = 0, {part.pgid for part in spare}
    while found := [process for process in marked(workspace) if _group_of(process) not in {None, *groups}]:
        count += len(found)
        for process in found:
            _quietly(process.terminate)
        _, stubborn = psutil.wait_procs(found, timeout=grace_s)
        for process in stubborn:
            _quietly(process.kill)
        psutil.wait_procs(stubborn, timeout=5)
    return count


def _quietly(action: Callable[[], None]) -> None:
    """Do it unless the process is gone already."""
    with contextlib.suppress(psutil.Error):
        action()
