from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from otoloop import retrain
from otoloop.errors import OtoloopError
from otoloop.evaluate.answer import Answerer
from otoloop.outs import file_sha256, write_json
from otoloop.promote import champions, decisions, promotion
from otoloop.promote.keys import Signer
from otoloop.promote.ledger import Request
from otoloop.promote.registry import BUCKET, open_registry
from otoloop.vcs import Repo
from otoloop.vcs.run import git


def release(site: Path) -> Path:
    """Lay the release that the first cycle was made from into the workspace."""
    write_json(site / "release" / "manifest.json", {"release": "r0001"})
    inputs = site / "inputs/cycle.yaml"
    inputs.write_text(
        inputs.read_text().replace("sha256: '00'", f"sha256: {file_sha256(site / 'release/manifest.json')}")
    )
    Repo(site).commit(["release", "inputs/cycle.yaml"], "A release")
    git(site, "tag", "--force", "cycle/0001")
    return site


def test_the_live_version_is_what_the_next_cycle_is_compared_with(site: Path, asked: Request, kim: Signer) -> None:
    assert champions.current(site) is None
    decisions.approve(site, asked.id, kim)
    promotion.promote_all(site)
    released = release(site)  # moves the cycle's tag, which no request's evidence may see
    champion = champions.current(released)
    assert champion and (champion.version, champion.cycle) == ("v1", 1)
    assert retrain.begin(released) == retrain.Begun(1, "nothing new"), "its own candidate is no news to a cycle"
    write_json(released / "release" / "manifest.json", {"release": "r0002"})
    Repo(released).commit(["release"], "Another release")
    assert retrain.begin(released, reason="r0002") == retrain.Begun(2, "new")
    inputs = yaml.safe_load((released / "inputs/cycle.yaml").read_text())
    assert inputs["champion"]["version"] == "v1" and inputs["owner"] == "loop"
    assert (
        Answerer(champion.base, released / "inputs/champion").sha256 == champion.sha256 == inputs["champion"]["sha256"]
    )
    assert Repo(released).clean()


def test_a_registry_that_cannot_be_read_is_not_an_absent_champion(site: Path, asked: Request) -> None:
    released = release(site)
    registry = open_registry(released)
    registry.store.put(BUCKET, registry.key("events/0000000001.json"), b"{}")
    with pytest.raises(OtoloopError, match="event 1 "):
        retrain.begin(released)


def test_a_workspace_without_a_store_has_none(tmp_path: Path) -> None:
    assert champions.current(tmp_path) is None
