"""Addresses of the pages, for those who print them: `otoloop up`, `otoloop user`, and the page's own start."""

from __future__ import annotations

from pathlib import Path

from otoloop.settings import Settings
from otoloop.workspace.state import load

USUAL = "http://127.0.0.1:8080"


def welcome_url(workspace: Path, token: str, address: str = "") -> str:
    """Where a one-time link leads: to ``address``, else to the page that runs, else to where it usually does."""
    part = load(workspace).parts.get("web")
    return f"{address or (part and part.url) or USUAL}/welcome/{token}"


def first_link(workspace: Path, address: str = "") -> str | None:
    """A one-time link with which the first admin is made, earlier ones end; None when there are accounts."""
    from otoloop import catalog
    from otoloop.web.accounts import Accounts

    token = Accounts(catalog.open_workspace(workspace, Settings().database_url)).first_link()
    return welcome_url(workspace, token, address) if token else None
