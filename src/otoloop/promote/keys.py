"""Ed25519 keys of people: one file each, outside the repository, readable by its owner alone."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otoloop.errors import OtoloopError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_PURPOSE = b"otoloop decision\n"
"""Signed together with the hash, so that a signature made for something else is none."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A person with their unlocked key."""

    name: str
    key: Ed25519PrivateKey

    def sign(self, digest: str) -> str:
        """The signature of an event's hash, in base64."""
        return base64.b64encode(self.key.sign(_message(digest))).decode()

    @property
    def public_key(self) -> str:
        """The public half, in base64."""
        return base64.b64encode(self.key.public_key().public_bytes_raw()).decode()


def verifies(public_key: str, digest: str, signature: str) -> bool:
    """Whether a signature of a hash was made with the private half of a key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        raw = base64.b64decode(signature, validate=True)
        key.verify(raw, _message(digest))
        return base64.b64encode(raw).decode() == signature  # the last character has bits that nothing depends on
    except (InvalidSignature, ValueError):
        return False


def _message(digest: str) -> bytes:
    return _PURPOSE + digest.encode()


def folder() -> Path:
    """Where private keys lie: ``OTOLOOP_KEYS``, else the user's own configuration."""
    if chosen := os.environ.get("OTOLOOP_KEYS"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "otoloop" / "keys"


def path_of(name: str) -> Path:
    """The key file of a person on this machine.

    Raises:
        OtoloopError: the name is not fit for a file.
    """
    if not _NAME.fullmatch(name):
        raise OtoloopError(f"{name!r} is no name for an approver.", "Use lower-case letters, digits, dot, dash, _.")
    return folder() / f"{name}.pem"


def create(name: str, passphrase: str | None = None) -> Signer:
    """Make a key for a person, sealed by a passphrase if there is one; its file is 0600.

    Raises:
        OtoloopError: the person has one on this machine.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path, key = path_of(name), Ed25519PrivateKey.generate()
    seal = form.BestAvailableEncryption(passphrase.encode()) if passphrase else form.NoEncryption()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise OtoloopError(f"{name} has a key already: {path}.", "Move it away first to make another.") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, seal))
    return Signer(name, key)


def is_sealed(name: str) -> bool:
    """Whether a person's key asks for a passphrase."""
    return b"ENCRYPTED" in _read(name)


def unlock(name: str, passphrase: str | None = None) -> Signer:
    """A person's key from their file.

    Raises:
        OtoloopError: there is none here, others may read it, it is no Ed25519 key, or the passphrase is wrong.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    raw = _read(name)
    word = passphrase.encode() if passphrase and b"ENCRYPTED" in raw else None
    try:
        key = load_pem_private_key(raw, word)
    except TypeError:
        raise OtoloopError(f"The key of {name} is sealed.", "Give its passphrase.") from None
    except ValueError:
        raise OtoloopError(f"The key of {name} does not open.", "Check the passphrase and the file.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise OtoloopError(f"{path_of(name)} holds no Ed25519 key.", "Make one with `otoloop approver add`.")
    return Signer(name, key)


def _read(name: str) -> bytes:
    path = path_of(name)
    if not path.is_file():
        raise OtoloopError(
            f"There is no key of {name} on this machine ({path}).",
            f"Run `otoloop approver add {name}`, or copy it here.",
        )
    if path.stat().st_mode & 0o077:
        raise OtoloopError(f"Others may read {path}.", f"Run `chmod 600 {path}`, or make another key.")
    return path.read_bytes()
