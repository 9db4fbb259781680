"""Accounts: who may log in and as what, which browsers are logged in, one-time links, wrong passwords.

Secrets come hashed: tokens as sha256, passwords as argon2. ``otoloop.web.accounts`` makes and checks them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from otoloop.catalog.tables import AccountRow, LinkRow, LogInFailureRow, LogInRow, now
from otoloop.errors import OtoloopError

ROLES = ("technician", "reviewer", "approver", "admin")
_NAME = re.compile(r"\w[\w .@-]{0,59}")


def clean_name(name: str) -> str:
    """A name as it is kept: two spellings that look alike are one account.

    Raises:
        OtoloopError: it is empty, too long, or holds signs that names do not have.
    """
    plain = unicodedata.normalize("NFKC", name).strip().casefold()
    if not _NAME.fullmatch(plain):
        raise OtoloopError(
            f"{name!r} cannot be the name of an account.",
            "Use up to 60 letters, digits, spaces and . @ _ - and begin with a letter or digit.",
        )
    return plain


def clean_roles(roles: Iterable[str]) -> list[str]:
    """Roles in their usual order, each once.

    Raises:
        OtoloopError: there is none, or an unknown one.
    """
    wanted = set(roles)
    unknown = wanted - set(ROLES)
    if unknown or not wanted:
        raise OtoloopError(
            f"There is no role {min(unknown)!r}." if unknown else "An account needs a role.",
            f"Choose from {', '.join(ROLES)}.",
        )
    return [role for role in ROLES if role in wanted]


def add_account(session: Session, name: str, roles: Iterable[str]) -> AccountRow:
    """Write a new account without a password.

    Raises:
        OtoloopError: the name is taken or unusable, or a role is unknown.
    """
    plain = clean_name(name)
    if session.get(AccountRow, plain) is not None:
        raise OtoloopError(f"The account {plain!r} exists.", "Choose another name, or change its roles.")
    row = AccountRow(name=plain, roles=clean_roles(roles))
    session.add(row)
    session.flush()
    return row


def account(session: Session, name: str) -> AccountRow:
    """One account.

    Raises:
        OtoloopError: there is none of that name.
    """
    row = session.get(AccountRow, clean_name(name))
    if row is None:
        raise OtoloopError(f"There is no account {name!r}.", "List them with `otoloop user list`.")
    return row


def accounts(session: Session) -> Sequence[AccountRow]:
    """All accounts by name, disabled ones too."""
    return session.scalars(select(AccountRow).order_by(AccountRow.name)).all()


def any_account(session: Session) -> bool:
    """Whether there is an account at all."""
    return session.scalar(select(AccountRow.name).limit(1)) is not None


def change_roles(session: Session, name: str, roles: Iterable[str]) -> AccountRow:
    """Give an account other roles; they hold from its next click.

    Raises:
        OtoloopError: no such account, an unknown role, or it is the last admin.
    """
    row = account(session, name)
    row.roles = clean_roles(roles)
    _require_admin(session)
    return row


def disable(session: Session, name: str, disabled: bool = True) -> AccountRow:
    """Shut an account out at once, or let it in again; what it did stays.

    Raises:
        OtoloopError: no such account, or it is the last admin.
    """
    row = account(session, name)
    row.disabled = disabled
    _require_admin(session)
    if disabled:
        log_out_everywhere(session, row.name)
        session.execute(delete(LinkRow).where(LinkRow.account == row.name))
    return row


def _require_admin(session: Session) -> None:
    session.flush()
    if not any("admin" in row.roles and not row.disabled for row in accounts(session)):
        raise OtoloopError("That would leave nobody who may manage accounts.", "Make somebody else an admin first.")


def set_password(session: Session, name: str, hashed: str) -> None:
    """Keep a new password's hash; every browser of the account must log in anew."""
    row = account(session, name)
    row.password = hashed
    log_out_everywhere(session, row.name)
    forget_failures(session, row.name)


def log_in(session: Session, name: str, token: str, *, lasting: timedelta) -> None:
    """Remember that a browser is logged in, and drop logins older than ``lasting``."""
    session.execute(delete(LogInRow).where(LogInRow.created_at < now() - lasting))
    session.add(LogInRow(token=token, account=name))
    account(session, name).last_login = now()
    forget_failures(session, name)
    session.flush()


def logged_in(
    session: Session, token: str, *, lasting: timedelta, idle: timedelta
) -> tuple[AccountRow, LogInRow] | None:
    """Whose browser this is; None when nobody's, or for longer than ``lasting`` or unused for longer than ``idle``."""
    query = select(AccountRow, LogInRow).join(LogInRow, LogInRow.account == AccountRow.name)
    query = query.where(LogInRow.token == token, AccountRow.disabled.is_(False))
    query = query.where(LogInRow.created_at > now() - lasting, LogInRow.seen_at > now() - idle)
    found = session.execute(query).one_or_none()
    return (found[0], found[1]) if found else None


def see(session: Session, token: str) -> None:
    """The browser was here just now."""
    session.execute(update(LogInRow).where(LogInRow.token == token).values(seen_at=now()))


def log_out(session: Session, token: str) -> None:
    """Forget one browser."""
    session.execute(delete(LogInRow).where(LogInRow.token == token))


def log_out_everywhere(session: Session, name: str) -> None:
    """Forget every browser of an account."""
    session.execute(delete(LogInRow).where(LogInRow.account == name))


def add_link(session: Session, token: str, name: str | None, *, lasting: timedelta) -> None:
    """Write a link for an account (None: for the first admin); earlier ones for the same purpose end."""
    earlier = LinkRow.account.is_(None) if name is None else LinkRow.account == name
    session.execute(delete(LinkRow).where(earlier, LinkRow.used_at.is_(None)))
    session.add(LinkRow(token=token, account=name, expires_at=now() + lasting))
    session.flush()


def link(session: Session, token: str) -> LinkRow | None:
    """A link that still works, or None."""
    fresh = (LinkRow.token == token, LinkRow.used_at.is_(None), LinkRow.expires_at > now())
    return session.scalar(select(LinkRow).where(*fresh))


def use_link(session: Session, token: str) -> LinkRow | None:
    """Take a link: of two who come at once with the same, one gets it; None when it does not work (any more)."""
    fresh = (LinkRow.token == token, LinkRow.used_at.is_(None), LinkRow.expires_at > now())
    taken = session.execute(update(LinkRow).where(*fresh).values(used_at=now()))
    return session.get(LinkRow, token) if taken.rowcount == 1 else None  # type: ignore[attr-defined]


def note_failure(session: Session, name: str, address: str, *, window: timedelta) -> None:
    """Write down a wrong password; those older than ``window`` are forgotten."""
    session.execute(delete(LogInFailureRow).where(LogInFailureRow.time < now() - window))
    session.add(LogInFailureRow(name=name[:60], address=address[:80]))
    session.flush()


def failures(session: Session, name: str, address: str, *, since: datetime) -> tuple[int, int]:
    """How many wrong passwords came for this name, and from this address, since then."""
    count = select(func.count()).select_from(LogInFailureRow).where(LogInFailureRow.time >= since)
    by_name = session.scalar(count.where(LogInFailureRow.name == name[:60]))
    by_address = session.scalar(count.where(LogInFailureRow.address == address[:80]))
    return int(by_name or 0), int(by_address or 0)


def forget_failures(session: Session, name: str) -> None:
    """The right password came: earlier wrong ones of this name do not count any more."""
    session.execute(delete(LogInFailureRow).where(LogInFailureRow.name == name[:60]))
