from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from otoloop.errors import OtoloopError
from otoloop.promote import bundle
from otoloop.promote.events import make
from otoloop.promote.versions import ADAPTER, APPROVAL, MANIFEST, SIGNATURE, Manifest, adapter_digest, digests
from otoloop.release.cycle import BaseRef


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a key, and a signed bundle in it; copy the bundle before changing it."""
    root = tmp_path_factory.mktemp("site")
    folder = root / "bundle"
    (folder / ADAPTER).mkdir(parents=True)
    (folder / ADAPTER / "adapter_config.json").write_text("{}")
    (folder / ADAPTER / "adapter_model.safetensors").write_bytes(bytes(range(256)) * 40)
    files = digests(folder / ADAPTER)
    manifest = Manifest(
        version="v3", base=BaseRef("mini", "mini", "embedded", "00"), adapter_sha256=adapter_digest(files),
        adapter_files=files, release="r0001", cycle=1, commit="c0ffee", parent=None, probe={},
    )  # fmt: skip
    (folder / MANIFEST).write_bytes(manifest.to_bytes())
    bundle.sign(folder, event("v3"), bundle.ensure_key(root))
    return root


def event(version: str, type: Any = "approve") -> Any:
    return make(type, "kim", version, {}, after=[], time=datetime(2026, 3, 1, tzinfo=UTC), sign=lambda _: "AAAA")


@pytest.fixture
def signed(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "bundle", tmp_path / "bundle"))


@pytest.fixture
def key(made: Path) -> Path:
    return bundle.public_key(made)


def test_a_signed_bundle_is_taken_wherever_it_lies(signed: Path, key: Path) -> None:
    manifest = bundle.verify(signed, key)
    assert manifest.version == "v3" and manifest.name == f"v3-{manifest.adapter_sha256[:8]}"
    assert bundle.approval(signed).actor == "kim"


def test_the_stock_library_reads_it_too(signed: Path, key: Path) -> None:
    from model_signing import verifying

    signature = shutil.move(signed / SIGNATURE, signed.with_name("bundle.sig"))
    verifying.Config().use_elliptic_key_verifier(public_key=key).verify(signed, signature)


def test_the_key_is_the_owners_alone_and_made_once(made: Path) -> None:
    path = bundle.ensure_key(made)
    before = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    bundle.public_key(made).unlink()
    assert bundle.ensure_key(made).read_bytes() == before and bundle.public_key(made).is_file()


def test_a_lost_half_of_the_key_is_told_and_not_replaced(tmp_path: Path) -> None:
    private, public = bundle.ensure_key(tmp_path), bundle.public_key(tmp_path)
    before = public.read_bytes()
    private.unlink()
    with pytest.raises(OtoloopError, match=r"bundle\.pem is lost.*remove both"):
        bundle.ensure_key(tmp_path)
    assert not private.exists() and public.read_bytes() == before
    public.unlink()
    bundle.ensure_key(tmp_path)
    public.write_bytes(before)
    with pytest.raises(OtoloopError, match="is not the public half"):
        bundle.ensure_key(tmp_path)


@pytest.mark.parametrize("name", sorted(bundle.WHOLE))
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_one_changed_bit_anywhere_is_refused(signed: Path, key: Path, name: str, place: float) -> None:
    raw = bytearray((signed / name).read_bytes())
    raw[int(place * (len(raw) - 1))] ^= 1
    (signed / name).write_bytes(raw)
    with pytest.raises(OtoloopError, match=r"does not hold|no manifest|no approval"):
        bundle.verify(signed, key)


@pytest.mark.slow
@pytest.mark.parametrize("bit", range(0, 8, 3))
def test_no_byte_of_the_signature_may_differ(signed: Path, key: Path, bit: int) -> None:
    raw = (signed / SIGNATURE).read_bytes()
    for place in range(len(raw)):
        flipped = bytearray(raw)
        flipped[place] ^= 1 << bit
        (signed / SIGNATURE).write_bytes(flipped)
        with pytest.raises(OtoloopError):
            bundle.verify(signed, key)


@pytest.mark.parametrize("name", sorted(bundle.WHOLE - {SIGNATURE}))
def test_a_missing_file_is_refused(signed: Path, key: Path, name: str) -> None:
    (signed / name).unlink()
    with pytest.raises(OtoloopError, match=f"{name} missing or too much"):
        bundle.verify(signed, key)


@pytest.mark.parametrize("name", ["adapter/model.bin", ".git/config", "adapter/adapter_model.bin", "readme"])
def test_an_extra_file_is_refused(signed: Path, key: Path, name: str) -> None:
    (signed / name).parent.mkdir(exist_ok=True)
    (signed / name).write_text("x")
    with pytest.raises(OtoloopError, match=f"{name} missing or too much"):
        bundle.verify(signed, key)


def test_a_link_is_refused(signed: Path, key: Path, tmp_path: Path) -> None:
    shutil.move(signed / MANIFEST, tmp_path / "elsewhere")
    (signed / MANIFEST).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OtoloopError, match="links missing or too much"):
        bundle.verify(signed, key)


def test_an_unsigned_bundle_is_refused(signed: Path, key: Path) -> None:
    (signed / SIGNATURE).unlink()
    with pytest.raises(OtoloopError, match="is not signed"):
        bundle.verify(signed, key)


def test_another_key_is_refused_and_so_is_none(signed: Path, tmp_path: Path) -> None:
    bundle.ensure_key(tmp_path)
    with pytest.raises(OtoloopError, match="does not hold"):
        bundle.verify(signed, bundle.public_key(tmp_path))
    with pytest.raises(OtoloopError, match="no key to check bundles"):
        bundle.verify(signed, tmp_path / "nothing.pub")


@pytest.mark.parametrize("other", [event("v4"), event("v3", "reject")])
def test_a_bundle_signed_without_its_own_approval_is_refused(signed: Path, key: Path, made: Path, other: Any) -> None:
    bundle.sign(signed, other, bundle.ensure_key(made))
    with pytest.raises(OtoloopError, match=r"The approval in .* is for"):
        bundle.verify(signed, key)


def test_a_bundle_signed_over_another_adapter_is_refused(signed: Path, key: Path, made: Path) -> None:
    (signed / ADAPTER / "adapter_config.json").write_text('{"r": 1}')
    bundle.sign(signed, bundle.approval(signed), bundle.ensure_key(made))
    with pytest.raises(OtoloopError, match="is not the manifest's"):
        bundle.verify(signed, key)
    assert (signed / APPROVAL).is_file()
