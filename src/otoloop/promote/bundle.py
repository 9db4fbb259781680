"""The signed bundle that servers load, and the proof that it is whole and ours.

    manifest.json  adapter/adapter_config.json  adapter/adapter_model.safetensors  approval.json  bundle.sig

bundle.sig is an OpenSSF model-signing signature (Sigstore bundle, in-toto statement with the sha256 of each file) made
with the workspace's own P-256 key: `model_signing verify key` reads it without us. The key's public half is all that a
server needs.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.promote.events import BrokenChain, Event, parse_any
from otoloop.promote.versions import ADAPTER, APPROVAL, FILES, MANIFEST, SIGNATURE, Manifest, adapter_digest, digests
from otoloop.settings import state_dir

WHOLE = {MANIFEST, APPROVAL, SIGNATURE, *(f"{ADAPTER}/{name}" for name in FILES)}
"""Exactly what a bundle holds."""
_LOST = (
    "Put both back from a backup. Without one remove both: a new pair is made at the next promotion, every server needs "
    "the new bundle.pub, and versions signed before are refused."
)
_REFUSED = "Do not load this version; run `otoloop audit verify`."


def public_key(workspace: Path) -> Path:
    """Where the public half of the workspace's bundle key lies; copy it to servers elsewhere."""
    return workspace / ".otoloop" / "keys" / "bundle.pub"


def ensure_key(workspace: Path) -> Path:
    """The private bundle key of a workspace, made at the first call (0600) together with its public half.

    Raises:
        OtoloopError: the public half is there and the private key is not, or they are no pair.
    """
    folder = state_dir(workspace) / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    path, public = folder / "bundle.pem", public_key(workspace)
    if public.is_file() and not path.is_file():  # asked in this order: who makes a pair makes the private key first
        raise OtoloopError(f"The bundle key {path} is lost; its public half {public} is still there.", _LOST)
    if not path.is_file():
        _make_key(path)
    half = _public_half(path)
    if not public.is_file():
        _write_public(half, public)
    if public.read_bytes().split() != half.split():
        raise OtoloopError(f"{public} is not the public half of {path}: what is signed would be refused.", _LOST)
    return path


def _make_key(path: Path) -> None:
    """Write a new key beside its place and move it there, unless another process was first."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _public_half(private: Path) -> bytes:
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key(private.read_bytes(), None).public_key()
    return key.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)


def _write_public(half: bytes, public: Path) -> None:
    """Written beside its place and moved there: whoever reads it meanwhile never sees a part of it."""
    draft = public.with_name(f".{public.name}.{os.getpid()}.{threading.get_ident()}")
    draft.write_bytes(half)
    draft.replace(public)


def sign(folder: Path, approval: Event, private_key: Path) -> None:
    """Write approval.json and bundle.sig into a folder with manifest and adapter.

    Raises:
        OtoloopError: model-signing is not installed.
    """
    signing, _, _ = _library()
    (folder / APPROVAL).write_bytes(approval.to_bytes())
    (folder / SIGNATURE).unlink(missing_ok=True)
    signing.Config().use_elliptic_key_signer(private_key=private_key).sign(folder, folder / SIGNATURE)


def verify(folder: Path, public_key: Path) -> Manifest:
    """Make sure that a bundle is whole, unchanged, approved and signed by the key; returns its manifest.

    Raises:
        OtoloopError: it is unsigned, altered, signed by another key, or files are missing or too many.
    """
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()}
    if SIGNATURE not in found:
        raise OtoloopError(f"The bundle in {folder} is not signed.", "Only promoted versions can be loaded.")
    if found != WHOLE or any(p.is_symlink() for p in folder.rglob("*")):
        wrong = ", ".join(sorted(found ^ WHOLE)) or "links"
        raise OtoloopError(f"The bundle in {folder} is not what was signed: {wrong} missing or too much.", _REFUSED)
    _verify_signature(folder, public_key)
    manifest = Manifest.from_bytes((folder / MANIFEST).read_bytes())
    _require_agreement(folder, manifest)
    return manifest


def _verify_signature(folder: Path, public_key: Path) -> None:
    _, verifying, hashing = _library()
    if not public_key.is_file():
        raise OtoloopError(
            f"There is no key to check bundles with at {public_key}.", "Copy .otoloop/keys/bundle.pub of the workspace."
        )
    try:
        # every file but the signature counts: the library's own rules would pass over .git and whatever a signer names
        everything = hashing.Config().set_ignored_paths(paths=[folder / SIGNATURE], ignore_git_paths=False)
        config = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
        config.set_hashing_config(everything).verify(folder, folder / SIGNATURE)
        _require_one_spelling(json.loads((folder / SIGNATURE).read_bytes())["dsseEnvelope"])
    except Exception as err:  # whatever a hostile file makes the library raise, the answer is no
        why = str(err).splitlines()[0] if str(err) else type(err).__name__
        raise OtoloopError(f"The signature of {folder} does not hold: {why[:300]}", _REFUSED) from err


def _require_one_spelling(envelope: dict[str, Any]) -> None:
    """The last character of base64 has bits that nothing depends on; no bit of a bundle may be changed all the same."""
    for text in (envelope["payload"], *(s["sig"] for s in envelope["signatures"])):
        if base64.b64encode(base64.b64decode(text)).decode() != text:
            raise ValueError("it is spelt in another way than it was written")


def _require_agreement(folder: Path, manifest: Manifest) -> None:
    """The three signed parts must speak of one version."""
    files = digests(folder / ADAPTER)
    same = files == dict(manifest.adapter_files) and adapter_digest(files) == manifest.adapter_sha256
    if not same:
        raise OtoloopError(f"The adapter in {folder} is not the manifest's.", _REFUSED)
    event = approval(folder)
    if event.type != "approve" or event.version != manifest.version:
        raise OtoloopError(f"The approval in {folder} is for {event.version}, not {manifest.version}.", _REFUSED)


def approval(folder: Path) -> Event:
    """The approve event that a bundle carries.

    Raises:
        OtoloopError: it carries none.
    """
    try:
        return parse_any((folder / APPROVAL).read_bytes())
    except (BrokenChain, OSError) as err:
        raise OtoloopError(f"The bundle in {folder} carries no approval: {err}", _REFUSED) from None


def _library() -> tuple[Any, Any, Any]:
    try:
        from model_signing import hashing, signing, verifying
    except ImportError as err:
        raise OtoloopError(
            f"Bundles are signed and checked with model-signing, which does not load: {err}.",
            "Install it: `pip install 'otoloop[sign]'` (model-signing 1.1.1 and pyopenssl).",
        ) from None
    return signing, verifying, hashing
