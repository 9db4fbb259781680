"""Who may come in: passwords (argon2), logins kept on the server, one-time links, and a brake on guessing.

    otoloop up                       prints a link, once, with which the first admin is made
    otoloop user add aya --role reviewer     makes an account and a link with which aya chooses her password

There is no default password and no way around the log-in, on this machine either.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from otoloop.catalog import Catalog, accounts
from otoloop.catalog.tables import AccountRow, LinkRow, now
from otoloop.errors import OtoloopError

if TYPE_CHECKING:
    from argon2 import PasswordHasher
    from sqlalchemy.orm import Session

LASTING, IDLE, SEEN_EVERY = timedelta(days=14), timedelta(hours=12), timedelta(minutes=5)
FIRST_LINK, OTHER_LINK = timedelta(minutes=15), timedelta(hours=24)
WINDOW, TRIES, TRIES_FROM = timedelta(minutes=15), 5, 30
"""So many wrong passwords within the window for one name, or from one address, and the next tries wait."""
SHORTEST, LONGEST = 10, 200
RIGHTS = {
    "ask": frozenset({"technician", "reviewer", "approver"}),
    "name": frozenset({"technician", "reviewer"}),
    "review": frozenset({"reviewer"}),
    "repair": frozenset({"reviewer", "admin"}),
    "approve": frozenset({"approver"}),
    "accounts": frozenset({"admin"}),
}
"""What each role may do; everybody who is logged in may look."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in."""

    name: str
    roles: frozenset[str]

    def may(self, right: str) -> bool:
        """Whether a role of theirs carries the right."""
        return bool(RIGHTS[right] & self.roles)


class WaitError(OtoloopError):
    """Too many wrong passwords: wait."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The door, over the catalogue's tables."""

    book: Catalog
    _one: threading.Lock = field(default_factory=threading.Lock)

    def first_link(self) -> str | None:
        """A token with which the first admin is made, or None when there are accounts."""
        with self.book.session() as session:
            if accounts.any_account(session):
                return None
            return _new_link(session, None, FIRST_LINK)

    def link(self, name: str) -> str:
        """A token with which ``name`` chooses a (new) password.

        Raises:
            OtoloopError: no such account, or it is disabled.
        """
        with self.book.session() as session:
            row = accounts.account(session, name)
            if row.disabled:
                raise OtoloopError(f"The account {row.name!r} is disabled.", "Let it in again first.")
            return _new_link(session, row.name, OTHER_LINK)

    def add(self, name: str, roles: Iterable[str]) -> str:
        """Make an account; returns the token with which its owner chooses a password.

        Raises:
            OtoloopError: the name is taken or unusable, or a role is unknown.
        """
        with self.book.session() as session:
            row = accounts.add_account(session, name, roles)
            return _new_link(session, row.name, OTHER_LINK)

    def invited(self, token: str) -> LinkRow:
        """The link that a token belongs to.

        Raises:
            OtoloopError: it was used, is too old, or never was one.
        """
        with self.book.reading() as session:
            return _working(accounts.link(session, _digest(token)))

    def accept(self, token: str, password: str, *, name: str = "", roles: Iterable[str] = ()) -> str:
        """Choose the password that a link was made for; without an account in it, make the first admin.

        Returns:
            The account's name.

        Raises:
            OtoloopError: the link does not work any more, the password is too weak, or the name is unusable.
        """
        link = self.invited(token)
        _require_strong(password, link.account or name)
        with self._one:
            hashed = _hasher().hash(password)
        with self.book.session() as session:
            row = _working(accounts.use_link(session, _digest(token)))
            if row.account is None and accounts.any_account(session):
                raise OtoloopError("The first admin is made already.", "Ask an admin for a link.")
            who = row.account or accounts.add_account(session, name, {*roles, "admin"}).name
            accounts.set_password(session, who, hashed)
            return who

    def log_in(self, name: str, password: str, address: str) -> str:
        """Check name and password; returns the new token for the browser's cookie.

        Raises:
            WaitError: too many wrong passwords before.
            OtoloopError: name or password is wrong; the words are the same for both.
        """
        known = self._account(name)
        counted = known.name if known else _digest(name)[:60]  # people type passwords into the wrong field
        with self.braked(counted, address):
            self.require_password(name, password)
        assert known is not None, "it has a password"
        token = secrets.token_urlsafe(32)
        with self.book.session() as session:
            accounts.log_in(session, known.name, _digest(token), lasting=LASTING)
        return token

    @contextmanager
    def braked(self, name: str, address: str) -> Iterator[None]:
        """Around the check of a secret: one at a time (a hash takes 64 MB), and after some failures none for a while.

        Raises:
            WaitError: too many wrong secrets before.
        """
        with self._one:
            self._brake(name, address)
            try:
                yield
            except OtoloopError:
                with self.book.session() as session:
                    accounts.note_failure(session, name, address, window=WINDOW)
                raise

    def require_password(self, name: str, password: str) -> None:
        """Check a password; call it within `braked`.

        Raises:
            OtoloopError: name or password is wrong, or the account is disabled.
        """
        known = self._account(name)
        right = _verify(known.password if known else None, password)
        if known is None or known.disabled or not right:
            raise OtoloopError("Name or password is wrong.", "Try again, or ask an admin for a link.")

    def who(self, token: str) -> Person | None:
        """Whose browser holds this token."""
        digest = _digest(token)
        with self.book.reading() as session:
            found = accounts.logged_in(session, digest, lasting=LASTING, idle=IDLE)
        if found is None:
            return None
        row, login = found
        if now() - login.seen_at > SEEN_EVERY:
            with self.book.session() as session:
                accounts.see(session, digest)
        return Person(row.name, frozenset(row.roles))

    def log_out(self, token: str) -> None:
        """End this browser's login."""
        with self.book.session() as session:
            accounts.log_out(session, _digest(token))

    def _account(self, name: str) -> AccountRow | None:
        try:
            with self.book.reading() as session:
                return accounts.account(session, name)
        except OtoloopError:
            return None

    def _brake(self, name: str, address: str) -> None:
        with self.book.reading() as session:
            named, placed = accounts.failures(session, name, address, since=now() - WINDOW)
        if named >= TRIES or placed >= TRIES_FROM:
            minutes = math.ceil(WINDOW.total_seconds() / 60)
            raise WaitError("Too many wrong passwords.", f"Wait {minutes} minutes, or ask an admin for a link.")


@cache
def _hasher() -> PasswordHasher:
    """Argon2id with the parameters of RFC 9106 for machines with little memory."""
    from argon2 import PasswordHasher

    return PasswordHasher()


def _verify(hashed: str | None, password: str) -> bool:
    """Whether the password is right; an unknown name takes as long as a known one."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hashed or _nobody(), password[: LONGEST + 1]) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return _hasher().hash(secrets.token_urlsafe())


def _digest(token: str) -> str:
    """What is stored of a token: who reads the catalogue cannot log in with it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _new_link(session: Session, name: str | None, lasting: timedelta) -> str:
    token = secrets.token_urlsafe(24)
    accounts.add_link(session, _digest(token), name, lasting=lasting)
    return token


def _working(row: LinkRow | None) -> LinkRow:
    if row is None:
        raise OtoloopError("This link was used, or is too old.", "Ask an admin for another: `otoloop user link NAME`.")
    return row


def _require_strong(password: str, name: str) -> None:
    """Refuse what is guessed first.

    Raises:
        OtoloopError: too short, too long, of few different signs, or the name itself.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise OtoloopError(f"A password has {SHORTEST} to {LONGEST} characters.", "A sentence is easy to remember.")
    if len(set(password)) < 5 or password.casefold().strip() == name.casefold().strip():
        raise OtoloopError("This password is guessed too easily.", "A sentence is easy to remember.")
