"""`otoloop user`: who may log in to the pages, and one-time links with which people choose a password."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from otoloop.commands.output import Json, emit, one_of

if TYPE_CHECKING:
    from otoloop.catalog import Catalog
    from otoloop.catalog.tables import AccountRow

user = typer.Typer(no_args_is_help=True, help="Accounts of the pages: technicians, reviewers, approvers, admins.")


def _roles() -> Iterable[str]:
    from otoloop.catalog.accounts import ROLES

    return ROLES


Roles = typer.Option(
    ..., "--role", callback=one_of(_roles), help="technician, reviewer, approver or admin (repeatable)."
)
Name = typer.Argument(..., help="Name of the account; what its owner does is signed with it.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(user, name="user")


@user.command()
def add(name: str = Name, role: list[str] = Roles, as_json: bool = Json) -> None:
    """Make an account; prints a link, valid once, with which its owner chooses a password.

    Example: otoloop user add aya --role reviewer --role technician
    """
    from otoloop.web.accounts import Accounts

    workspace = _workspace()
    token = Accounts(_book(workspace)).add(name, role)
    _show_link(
        workspace, token, f"The account of {name} is made. Give its owner this link, valid once, 24 hours:", as_json
    )


@user.command("list")
def list_(as_json: bool = Json) -> None:
    """List the accounts with their roles.

    Example: otoloop user list --json
    """
    from otoloop.catalog import accounts

    with _book(_workspace()).reading() as session:
        rows = [_row(row) for row in accounts.accounts(session)]
    lines = [f"{r['name']:<20} {', '.join(r['roles']):<36} {r['state']:<8} {r['last_login'] or ''}" for r in rows]
    emit(rows, "\n".join(lines) or "No account yet: `otoloop user link` makes a link for the first admin.", as_json)


@user.command()
def roles(name: str = Name, role: list[str] = Roles, as_json: bool = Json) -> None:
    """Give an account other roles in place of those it has.

    Example: otoloop user roles aya --role reviewer --role approver
    """
    from otoloop.catalog import accounts

    with _book(_workspace()).session() as session:
        row = _row(accounts.change_roles(session, name, role))
    emit(row, f"{row['name']} is {', '.join(row['roles'])} now.", as_json)


@user.command()
def disable(
    name: str = Name, undo: bool = typer.Option(False, "--undo", help="Let it in again."), as_json: bool = Json
) -> None:
    """Shut an account out at once; what it did keeps its name.

    Example: otoloop user disable aya
    """
    from otoloop.catalog import accounts

    with _book(_workspace()).session() as session:
        row = _row(accounts.disable(session, name, not undo))
    emit(row, f"{row['name']} may log in again." if undo else f"{row['name']} is shut out.", as_json)


@user.command()
def link(
    name: str = typer.Argument("", help="The account; without one: a link for the first admin."), as_json: bool = Json
) -> None:
    """Print a link, valid once, with which somebody chooses a (new) password.

    Example: otoloop user link aya
    """
    from otoloop.errors import OtoloopError
    from otoloop.web.accounts import Accounts

    workspace = _workspace()
    door = Accounts(_book(workspace))
    token = door.link(name) if name else door.first_link()
    if token is None:
        raise OtoloopError("There are accounts already.", "Name one: otoloop user link NAME")
    _show_link(
        workspace,
        token,
        f"A link for {name or 'the first admin'}, valid once, {'24 hours' if name else '15 minutes'}:",
        as_json,
    )


def _show_link(workspace: Path, token: str, words: str, as_json: bool) -> None:
    from otoloop.web.links import welcome_url

    url = welcome_url(workspace, token)
    emit({"url": url}, f"{words}\n{url}", as_json)


def _row(row: AccountRow) -> dict[str, Any]:
    state = "disabled" if row.disabled else "active" if row.password else "invited"
    seen = row.last_login.isoformat(timespec="seconds") if row.last_login else None
    return {"name": row.name, "roles": row.roles, "state": state, "last_login": seen}


def _workspace() -> Path:
    from otoloop.settings import find_workspace

    return find_workspace(Path.cwd())


def _book(workspace: Path) -> Catalog:
    from otoloop.catalog import open_workspace
    from otoloop.settings import Settings

    return open_workspace(workspace, Settings().database_url)
