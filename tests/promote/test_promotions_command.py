from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from otoloop.commands import promotions as commands
from otoloop.errors import OtoloopError
from otoloop.promote import keys
from otoloop.promote.ledger import Request
from otoloop.promote.registry import BUCKET, open_registry

app = typer.Typer()
commands.register(app)


def _run(*arguments: str, code: int = 0, env: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(app, arguments, env=env)
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


def _refused(*arguments: str) -> OtoloopError:
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, OtoloopError), error
    return error


@pytest.fixture
def here(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(site)
    return site


def test_from_request_to_rollback(here: Path, asked: Request) -> None:
    (row,) = json.loads(_run("promotions", "list", "--json"))
    wanted = {"request": "v1-2", "version": "v1", "verdict": "pass", "requested_by": "mika", "state": "open"}
    assert wanted.items() <= row.items() and row["pack_sha256"] == asked.pack_sha256
    shown = json.loads(_run("promotions", "show", "v1-2", "--json"))
    assert shown["barred"] == ["mika", "rei"] and shown["pack"]["tag"] == "cycle/0001"
    words = _run("promotions", "show", "v1-2")
    assert "gain     +20.0 points (+10.0 to +30.0)" in words and "may not approve: mika, rei" in words
    assert shown["unlike_git"] == [] and "git      says the same at that commit" in words
    assert "no key of loop on this machine" in _refused("promotions", "approve", "v1-2").message
    assert "kim approved v1-2" in _run("promotions", "approve", "v1-2", "--as", "kim", "--pack", asked.pack_sha256)
    assert "live: nothing yet" in _run("promotions", "list")
    assert _run("promotions", "run") == "v1 is live on prod.\n"
    assert _run("promotions", "run", "--json") == "[]\n"
    assert "live: prod v1" in _run("promotions", "list")
    assert json.loads(_run("audit", "verify", "--json")) == {"ok": True, "problems": []}
    assert "first version on prod" in _refused("rollback", "--reason", "bad").message
    assert "prod serves nothing" in _run("rollback", "--reason", "bad", "--to", "nothing", "--as", "mika")
    assert "decided by kim" in _run("promotions", "show", "v1")


def test_reject_code_and_request(here: Path, asked: Request) -> None:
    assert re.fullmatch(
        r"(\w{4}-){3}\w{4}", json.loads(_run("promotions", "code", "v1-2", "--as", "lee", "--json"))["code"]
    )
    assert _run("promotions", "reject", "v1-2", "--as", "lee", "--reason", "misses rubs") == "lee rejected v1-2.\n"
    made = json.loads(_run("promotions", "request", "--channel", "pilot", "--json"))
    assert (made["request"], made["channel"], made["state"]) == ("v1-5", "pilot", "open")
    _run("promotions", "reject", "v1-5", "--as", "lee", code=2)
    assert "no request 'v9'" in _refused("promotions", "show", "v9").message


def test_a_damaged_chain_is_an_error_with_its_event(here: Path, asked: Request) -> None:
    registry = open_registry(here)
    registry.store.put(BUCKET, registry.key("events/0000000002.json"), b"{}")
    found = json.loads(_run("audit", "verify", "--json", code=1))
    assert found["ok"] is False and found["problems"][0] == {"what": "Event 2 is no event.", "event": 2}
    assert "event 2" in _refused("promotions", "list").message


def test_approvers_come_and_go(here: Path) -> None:
    names = [row["name"] for row in json.loads(_run("approver", "list", "--json"))]
    assert names == ["kim", "lee"]
    sealed = {"OTOLOOP_PASSPHRASE": "open sesame"}
    made = json.loads(_run("approver", "add", "pat", "--protect", "--json", env=sealed))
    assert made["private_key"] == str(keys.path_of("pat")) and keys.is_sealed("pat")
    assert "pat may approve no more" in _run("approver", "revoke", "pat")
    assert "pat may not approve now" in _refused("approver", "revoke", "pat").message
    assert [line.split()[:2] for line in _run("approver", "list").splitlines()][-1] == ["pat", "no"]
    assert _run("promotions", "list") == "No request yet.\nlive: nothing yet\n"
