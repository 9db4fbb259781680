from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from otoloop.errors import OtoloopError
from otoloop.workspace.processes import Plan, reap, start


def test_an_answer_from_another_workspaces_server_is_not_ours(tmp_path: Path) -> None:
    with socket.socket() as others:
        others.bind(("127.0.0.1", 0))
        others.listen()
        plan = Plan(
            name="prefect", command=[sys.executable, "-c", "import time; time.sleep(600)"], env=dict(os.environ),
            ready=lambda: True, timeout_s=0.3, port=others.getsockname()[1],
        )  # fmt: skip
        with pytest.raises(OtoloopError, match="not ready"):
            start(tmp_path, plan)
    reap(tmp_path, grace_s=0.1)


def test_its_own_server_is_waited_for_until_it_listens(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
    plan = Plan(name="web", command=[sys.executable, "-c", code], env=dict(os.environ), ready=lambda: True, port=port)
    assert start(tmp_path, plan).port == port
    reap(tmp_path, grace_s=0.1)
