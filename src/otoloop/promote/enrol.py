"""Make somebody an approver, or take it from them: a key on their machine, its public half committed to the workspace."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from otoloop.errors import OtoloopError
from otoloop.params import load_params
from otoloop.promote import approvers, keys
from otoloop.promote.approvers import FILE, Approver, Approvers
from otoloop.vcs import Repo

WAIT_S = 600.0


def add(workspace: Path, name: str, *, passphrase: str | None = None, public_key: str = "") -> Approver:
    """Register a key of a person: the given public key, else that of their key on this machine, made if need be.

    A key that expired is renewed so. One that was revoked may have been stolen: the key file alone does not bring it
    back, its public key must be given, on purpose.

    Args:
        workspace: whose decisions they may make.
        name: lower-case; what decisions carry.
        passphrase: seals a new key, opens an old one.
        public_key: base64, of a key that was made elsewhere.

    Raises:
        OtoloopError: they have a key that counts, the key is none, or the key file's was revoked.
    """
    path = keys.path_of(name)
    now, params = datetime.now(UTC), load_params(workspace / "params.yaml").promote
    with Repo(workspace).lease(wait_s=WAIT_S, purpose=f"add the approver {name}"):
        Repo(workspace).require_clean([FILE])
        known = approvers.load(workspace)
        if old := known.valid(name, now):
            raise OtoloopError(
                f"{name} may approve already, until {old.expires:%Y-%m-%d}.",
                f"Run `otoloop approver revoke {name}` first.",
            )
        if not public_key:
            signer = keys.unlock(name, passphrase) if path.is_file() else keys.create(name, passphrase)
            public_key = signer.public_key
            _require_unrevoked(known, name, public_key, path)
        new = Approver(name, _checked(public_key), now, now + timedelta(days=params.key_days))
        _commit(workspace, [*known.entries, new], f"{name} may approve until {new.expires:%Y-%m-%d}")
    return new


def _require_unrevoked(known: Approvers, name: str, public_key: str, path: Path) -> None:
    if any(e.public_key == public_key and e.revoked for e in known.entries):
        raise OtoloopError(
            f"The key in {path} was revoked.",
            f"Move it away to make another; to let this one count again: `otoloop approver add {name} "
            f"--public-key {public_key}`.",
        )


def revoke(workspace: Path, name: str) -> None:
    """From now on a person's key counts no more; what it decided before stays.

    Raises:
        OtoloopError: they have no key that counts.
    """
    now = datetime.now(UTC)
    with Repo(workspace).lease(wait_s=WAIT_S, purpose=f"revoke the approver {name}"):
        Repo(workspace).require_clean([FILE])
        known = approvers.load(workspace)
        if known.valid(name, now) is None:
            raise OtoloopError(f"{name} may not approve now.", "`otoloop approver list` shows who may.")
        _commit(workspace, approvers.revoked(known.entries, name, now), f"{name} may approve no more")


def _commit(workspace: Path, entries: Sequence[Approver], message: str) -> None:
    repo = Repo(workspace)
    approvers.save(workspace, entries)
    repo.commit([FILE], message)
    repo.push_commits()


def _checked(public_key: str) -> str:
    """The key as it is written down."""
    try:
        raw = base64.b64decode(public_key, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise OtoloopError(f"{public_key!r} is no Ed25519 public key.", "Give its 32 bytes in base64.")
    return base64.b64encode(raw).decode()
