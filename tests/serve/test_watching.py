"""What a channel's pointer says is served; what is unsigned, altered or meant for another base is not."""

import shutil

import pytest

from otoloop.errors import OtoloopError
from otoloop.params import load_params
from otoloop.promote import bundle, promotion
from otoloop.promote.registry import BUCKET, open_registry
from otoloop.serve.bundles import live_asker
from otoloop.serve.lineup import Lineup
from otoloop.serve.watching import Watcher

from .promoted import approve, next_cycle, promote


class Told(Lineup):
    """A lineup that only notes what it is told to load."""

    def __init__(self):
        super().__init__("prod", lambda: None)
        self.switches = []

    def switch(self, version, folder, probe):
        self.switches.append((version.name, sorted(p.name for p in folder.iterdir())))
        self.previous, self.live = self.live, version


@pytest.fixture
def watcher(live):
    return Watcher(live, Told())


def look_again(watcher):
    watcher._chain_read = -1000.0
    watcher.look()


@pytest.mark.slow
def test_the_pointer_is_followed_forth_and_back(approved, template):
    site, watcher = approved, Watcher(approved, Told())
    lineup = watcher.lineup
    watcher.look()
    assert lineup.live is None and watcher.problem == ""
    promote(site)
    watcher.look()
    (first,) = lineup.switches
    assert first[0].startswith("otoloop@v1-") and first[1] == ["adapter_config.json", "adapter_model.safetensors"]
    watcher.look()
    assert len(lineup.switches) == 1
    next_cycle(site, template.parent)
    approve(site)
    watcher.look()
    assert len(lineup.switches) == 1, "approved is not promoted"
    promote(site)
    watcher.look()
    assert lineup.live.version == "v2" and lineup.live.cycle == 2 and lineup.live.release == "r0001"
    promotion.rollback(site, "prod", "it hums")
    watcher.look()
    assert lineup.live.version == "v1" and watcher.swaps == 3
    promotion.rollback(site, "prod", "it hums too", to="nothing")
    watcher.look()
    assert lineup.live is None and watcher.failures == 0


def test_a_pointer_that_nobody_repaired_is_found_by_the_chain(approved):
    watcher = Watcher(approved, Told())
    watcher.look()
    promote(approved)
    registry = open_registry(approved)
    registry.store.delete(BUCKET, registry.key("channels/prod.json"))
    watcher.look()
    assert watcher.lineup.live is None, "the etag did not change and the chain was read a moment ago"
    look_again(watcher)
    assert watcher.lineup.live.version == "v1" and registry.stored_pointer("prod")["version"] == "v1"


@pytest.mark.parametrize("name", ["adapter/adapter_model.safetensors", "approval.json", "bundle.sig", "manifest.json"])
def test_one_changed_bit_is_refused(watcher, name):
    registry = open_registry(watcher.workspace)
    key = registry.key(f"versions/v1/{name}")
    raw = bytearray(registry.store.get(BUCKET, key))
    raw[len(raw) // 2] ^= 1
    registry.store.put(BUCKET, key, bytes(raw))
    watcher.look()
    assert watcher.lineup.switches == [] and watcher.problem and watcher.failures == 1
    watcher.look()
    assert watcher.failures == 1, "it is not tried again every second"
    raw[len(raw) // 2] ^= 1
    registry.store.put(BUCKET, key, bytes(raw))
    look_again(watcher)
    assert watcher.lineup.live.version == "v1" and watcher.problem == ""


def test_unsigned_is_refused(watcher):
    registry = open_registry(watcher.workspace)
    registry.store.delete(BUCKET, registry.key("versions/v1/bundle.sig"))
    watcher.look()
    assert watcher.lineup.switches == [] and "not signed" in watcher.problem


def test_another_key_is_refused(watcher, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    bundle.ensure_key(other)
    shutil.copy(bundle.public_key(other), bundle.public_key(watcher.workspace))
    watcher.look()
    assert watcher.lineup.switches == [] and "signature" in watcher.problem
    bundle.public_key(watcher.workspace).unlink()
    look_again(watcher)
    assert watcher.lineup.switches == [] and "bundle.pub" in watcher.problem


@pytest.mark.slow
def test_without_a_store_it_says_so_once_and_waits(watcher, monkeypatch, caplog):
    monkeypatch.setenv("OTOLOOP_S3_ENDPOINT", "http://127.0.0.1:9")
    watcher.look()
    watcher.look()
    assert watcher.lineup.live is None and "127.0.0.1:9" in watcher.problem
    assert len([r for r in caplog.records if "127.0.0.1:9" in r.message]) == 1


def test_asking_what_is_live_from_the_command_line(live):
    asker = live_asker(live, load_params(live / "params.yaml"))
    assert asker.version == f"otoloop@v1-{asker.sha[:8]}"
    promotion.rollback(live, "prod", "it hums", to="nothing")
    with pytest.raises(OtoloopError, match="No version is live"):
        live_asker(live, load_params(live / "params.yaml"))
