"""Starting and ending the parts of a workspace: S3, Prefect, workers, pages, gateway."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from otoloop import store
from otoloop.errors import OtoloopError
from otoloop.outs import read_json, write_json
from otoloop.settings import Settings, state_dir
from otoloop.store.probe import probe_conditional_writes
from otoloop.store.weed import start_weed, stop_weed
from otoloop.workspace import prefect_api
from otoloop.workspace.env import child_environment
from otoloop.workspace.lock import hold
from otoloop.workspace.ports import GRPC_OFFSET, choose, is_free, require
from otoloop.workspace.processes import Plan, reap, start_all, stop
from otoloop.workspace.state import LOOPBACK, Part, load, running

POOLS = {"cpu": max(2, (os.cpu_count() or 2) // 2), "gpu": 1}
"""Work pools and how many flow runs each local worker takes at once."""
PARTS = ("s3", "prefect", *(f"worker-{pool}" for pool in POOLS), "web", "gateway")
LIMITS = {"gpu": 1}
TITLES = {"s3": "S3 server", "prefect": "Prefect server", "web": "pages", "gateway": "gateway"}
USUAL_PORTS = {"prefect": 4200, "web": 8080, "gateway": 8000}
WAIT_S = 180
ATTEMPTS = 3


def up(workspace: Path, *, only: Collection[str] = PARTS, ports: dict[str, int] | None = None) -> list[Part]:
    """Start what is asked for and does not run yet; safe to repeat. Returns all parts that run.

    Args:
        workspace: the workspace.
        only: names from `PARTS`.
        ports: ports the user wants for ``s3``, ``prefect``, ``web`` or ``gateway``; others are chosen free.

    Raises:
        OtoloopError: a part could not start; what this call had started of the same group is ended again.
    """
    wanted = ports or {}
    _check_names(only)
    _check_ports(workspace, {name: port for name, port in wanted.items() if name in only})
    with hold(state_dir(workspace) / "up.lock", purpose="otoloop up or down", wait_s=WAIT_S):
        if "s3" in only:
            _store_up(workspace, wanted.get("s3"))
        _start_missing(workspace, [name for name in USUAL_PORTS if name in only], wanted)
        pools = [pool for pool in POOLS if f"worker-{pool}" in only]
        if pools:
            _serve_pools(workspace, pools)
    return [part for part in load(workspace).parts.values() if part.alive()]


def _check_names(only: Collection[str]) -> None:
    """Refuse unknown names."""
    for name in only:
        if name not in PARTS:
            raise OtoloopError(f"There is no part called {name!r}.", f"Choose from {', '.join(PARTS)}.")


def _check_ports(workspace: Path, wanted: dict[str, int]) -> None:
    """Refuse ports that cannot be had before anything is started."""
    for name, port in wanted.items():
        part = running(workspace, name)
        if part is None:
            require(port, f"the {TITLES[name]}", offsets=(0, GRPC_OFFSET) if name == "s3" else (0,))
        elif part.port != port:
            raise OtoloopError(
                f"The {TITLES[name]} runs already, on port {part.port} instead of {port}.",
                "Run `otoloop down` first, then `otoloop up` with the other port.",
            )


def ensure_store(workspace: Path) -> None:
    """Make sure that S3 answers and has its buckets; see `otoloop.workspace.ensure_store`."""
    if running(workspace, "s3") or (Settings().s3_endpoint and _known_good(workspace)):
        return
    with hold(state_dir(workspace) / "up.lock", purpose="otoloop up or down", wait_s=WAIT_S):
        _store_up(workspace, None)


def _store_up(workspace: Path, port: int | None) -> None:
    """Start the embedded server unless the user has a store; then buckets, then the proof of conditional writes."""
    if not Settings().s3_endpoint:
        start_weed(workspace, port=port)
    client = store.connect(workspace)
    client.ensure_buckets()
    probe_conditional_writes(client)
    write_json(_good_file(workspace), [client.endpoint, client.prefix])


def _good_file(workspace: Path) -> Path:
    return state_dir(workspace) / "store.json"


def _known_good(workspace: Path) -> bool:
    """Whether this external store passed its checks before: they cost a dozen requests."""
    client = store.connect(workspace)
    path = _good_file(workspace)
    return path.is_file() and read_json(path) == [client.endpoint, client.prefix]


def _start_missing(workspace: Path, names: list[str], wanted: dict[str, int]) -> None:
    """Start the Prefect server, the pages and the gateway side by side where they do not run.

    A port that somebody takes between our looking and our binding costs an attempt, unless the user asked for it.
    """
    for attempt in range(1, ATTEMPTS + 1):
        plans = _plans(workspace, [name for name in names if not running(workspace, name)], wanted)
        try:
            start_all(workspace, plans)
            return
        except OtoloopError:
            taken = [plan for plan in plans if plan.port and plan.name not in wanted and not is_free(plan.port)]
            if attempt == ATTEMPTS or not taken:
                raise


def _plans(workspace: Path, names: list[str], wanted: dict[str, int]) -> list[Plan]:
    """How to start the named parts."""
    builders: dict[str, Callable[[Path, int], Plan | None]] = {
        "prefect": _prefect_plan, "web": _web_plan, "gateway": _gateway_plan,
    }  # fmt: skip
    plans = [builders[name](workspace, _port(workspace, name, wanted.get(name))) for name in names]
    return [plan for plan in plans if plan]


def _port(workspace: Path, name: str, wanted: int | None) -> int:
    """The port asked for, last time's, the usual one, or any."""
    if wanted:
        return require(wanted, f"the {TITLES[name]}")
    return choose(load(workspace).ports.get(name, {}).get("port") or USUAL_PORTS[name])


def _prefect_plan(workspace: Path, port: int) -> Plan | None:
    """The Prefect server, unless the environment names one already."""
    if os.environ.get("PREFECT_API_URL"):
        return None
    url = f"http://{LOOPBACK}:{port}/api"
    env = child_environment(workspace) | {"PREFECT_API_URL": url, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)]
    return Plan(
        name="prefect",
        command=command,
        env=env,
        ready=lambda: prefect_api.healthy(url),
        timeout_s=120,
        port=port,
        url=url,
    )


def _web_plan(workspace: Path, port: int) -> Plan | None:
    """The review page, if this installation has it."""
    if importlib.util.find_spec("otoloop.web.__main__") is None:
        return None
    url = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "otoloop.web", "--port", str(port)]
    env = child_environment(workspace)
    return Plan(name="web", command=command, env=env, ready=lambda: _answers(url), port=port, url=url)


def _gateway_plan(workspace: Path, port: int) -> Plan | None:
    """The gateway: it answers at once, and is ready for questions when a version is live."""
    url = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "otoloop.serve", "--port", str(port)]
    env = child_environment(workspace)
    return Plan(name="gateway", command=command, env=env, ready=lambda: _answers(f"{url}/health"), port=port, url=url)


def _answers(url: str) -> bool:
    """Whether a web server answers, be it with a refusal."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as err:
        return err.code < 500
    except OSError:
        return False


def _serve_pools(workspace: Path, pools: list[str]) -> None:
    """Pools, limits, deployments, and one worker a pool."""
    url = prefect_api.api_url(workspace)
    if url is None:
        raise OtoloopError("Workers need Prefect, which does not run.", "Add `--only prefect`, or set PREFECT_API_URL.")
    for pool in POOLS:
        prefect_api.ensure_pool(url, pool)
    for name, slots in LIMITS.items():
        prefect_api.ensure_limit(url, name, slots)
    missing = [pool for pool in pools if not running(workspace, f"worker-{pool}")]
    deploying = _begin_deploy(workspace)
    try:
        start_all(workspace, [_worker_plan(workspace, url, pool) for pool in missing])
        _finish_deploy(deploying)
    finally:
        if deploying and deploying.poll() is None:
            deploying.kill()


def _worker_plan(workspace: Path, url: str, pool: str) -> Plan:
    """A worker of one pool; ready once Prefect has heard of it."""
    name, since = f"{pool}-{os.uname().nodename}", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process"]
    return Plan(
        name=f"worker-{pool}",
        command=[*command, "--name", name, "--limit", str(POOLS[pool]), "--install-policy", "never"],
        env=child_environment(workspace),
        ready=lambda: prefect_api.worker_online(url, pool, name, since=since),
        timeout_s=90,
    )


def _begin_deploy(workspace: Path) -> subprocess.Popen[str] | None:
    """`prefect deploy --all`, while the workers start; a workspace without prefect.yaml has nothing to deploy."""
    if not (workspace / "prefect.yaml").is_file():
        return None
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    return subprocess.Popen(
        command, cwd=workspace, env=child_environment(workspace), text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def _finish_deploy(deploying: subprocess.Popen[str] | None) -> None:
    """Wait for the deployments.

    Raises:
        OtoloopError: prefect.yaml or a flow was refused; carries Prefect's words.
    """
    if deploying is None:
        return
    output, _ = deploying.communicate(timeout=WAIT_S)
    if deploying.returncode != 0:
        words = " ".join(output.split())[-400:]
        raise OtoloopError(f"`prefect deploy --all` failed: {words}", "Correct prefect.yaml or the flow it names.")


def down(workspace: Path) -> list[str]:
    """End every part and whatever they started, workers first and S3 last; returns the names of those that ran."""
    with hold(state_dir(workspace) / "up.lock", purpose="otoloop up or down", wait_s=WAIT_S):
        parts = load(workspace).parts
        base = [parts[name] for name in ("prefect", "s3") if name in parts]
        ended = stop(workspace, [name for name in parts if name not in {"prefect", "s3"}], grace_s=5)
        reap(workspace, spare=base)
        ended += stop(workspace, ["prefect"], grace_s=5)
        if "s3" in parts and parts["s3"].alive():
            ended.append("s3")
        stop_weed(workspace)
        reap(workspace)
        return ended
