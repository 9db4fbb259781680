from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from otoloop.notify import notify


@pytest.fixture
def api() -> Iterator[tuple[str, list[tuple[str, object]]]]:
    """A server that keeps what it is sent and answers as Prefect does."""
    seen: list[tuple[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api", seen
        server.shutdown()


def test_an_event_carries_what_a_trigger_matches_on(
    api: tuple[str, list[tuple[str, object]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = api
    monkeypatch.setenv("PREFECT_API_URL", url)
    assert notify(tmp_path, "otoloop.request.approved", "otoloop.version.v12", {"version": "v12"})
    [(path, [event])] = seen  # type: ignore[misc]
    assert path == "/api/events"
    assert event["event"] == "otoloop.request.approved"
    assert event["resource"] == {"prefect.resource.id": "otoloop.version.v12"}
    assert event["payload"] == {"version": "v12"} and event["id"] and event["occurred"]


def test_without_prefect_it_says_no_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert notify(tmp_path, "otoloop.x", "otoloop.y") is False
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert notify(tmp_path, "otoloop.x", "otoloop.y") is False
