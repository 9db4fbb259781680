"""An approver's decision on a page: signed with their own key, or with a single-use code that they made with it.

The key lies on this machine, sealed by a passphrase (asked for) or not (then the password is asked for again), or it
lies elsewhere and the approver brings a code: ``otoloop promotions code REQUEST``.
"""

from __future__ import annotations

from typing import Literal, get_args

from otoloop.errors import OtoloopError
from otoloop.promote import decisions, keys
from otoloop.promote.approvers import same_person
from otoloop.promote.events import Event, sha256
from otoloop.web.accounts import Person
from otoloop.web.desk import Desk

Way = Literal["passphrase", "password", "code"]
Act = Literal["approve", "reject"]


def way(name: str) -> Way:
    """What somebody must bring to sign here."""
    try:
        return "passphrase" if keys.is_sealed(name) else "password"
    except OtoloopError:
        return "code"


def decide(
    desk: Desk, person: Person, request: str, act: str, *, reason: str, seen: str, secret: str, address: str
) -> Event:
    """Write a decision in the registry.

    Args:
        desk: whose registry.
        person: the approver who is logged in.
        request: its id.
        act: approve or reject.
        reason: in their words; needed to reject.
        seen: hash of the evidence that they looked at.
        secret: passphrase, password or code, as `way` says.
        address: from where, for the brake on guessing.

    Raises:
        OtoloopError: the secret is wrong, or the decision breaks a rule (see `decisions.decide`).
    """
    if act not in get_args(Act):
        raise OtoloopError(f"Nobody can {act!r} a request.", "Use approve or reject.")
    if way(person.name) == "code":
        with desk.accounts.braked(person.name, address):
            _require_own(desk, person, secret)
        return decisions.decide_by_code(desk.workspace, secret, act, reason, request)  # type: ignore[arg-type]
    with desk.accounts.braked(person.name, address):
        signer = _signer(desk, person, secret)
    return decisions.decide(desk.workspace, request, act, signer.name, reason, sign=signer.sign, seen=seen)  # type: ignore[arg-type]


def _signer(desk: Desk, person: Person, secret: str) -> keys.Signer:
    if way(person.name) == "passphrase":
        return keys.unlock(person.name, secret)
    desk.accounts.require_password(person.name, secret)
    return keys.unlock(person.name)


def _require_own(desk: Desk, person: Person, code: str) -> None:
    """The code must be one that this very person made.

    Raises:
        OtoloopError: it is somebody else's, or none.
    """
    given = desk.live.ledger().codes.get(sha256(code.replace("-", "").strip().upper().encode()))
    if given is None or not same_person(given.actor, person.name):
        raise OtoloopError(
            "This code was never given to you for this request, or was used.",
            "Make one where your key is: `otoloop promotions code REQUEST`.",
        )
