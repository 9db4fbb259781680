"""`otoloop user` as an admin meets it at a terminal."""

import pytest

from otoloop.web.accounts import Accounts

from ..said import otoloop
from .conftest import PASSWORD


def test_the_first_admin_and_then_everybody_else(site, book):
    assert "makes a link for the first admin" in otoloop("user", "list", cwd=site).out
    token = otoloop("user", "link", "--json", cwd=site).json["url"].rsplit("/", 1)[1]
    assert Accounts(book).accept(token, PASSWORD, name="root") == "root"
    assert "There are accounts already" in otoloop("user", "link", cwd=site).err
    made = otoloop("user", "add", "Aya", "--role", "reviewer", "--role", "technician", "--json", cwd=site).json
    assert made["url"].startswith("http://127.0.0.1:8080/welcome/")
    rows = {r["name"]: r for r in otoloop("user", "list", "--json", cwd=site).json}
    assert rows["aya"] == {"name": "aya", "roles": ["technician", "reviewer"], "state": "invited", "last_login": None}
    Accounts(book).accept(made["url"].rsplit("/", 1)[1], PASSWORD)
    assert otoloop("user", "roles", "aya", "--role", "approver", "--json", cwd=site).json["roles"] == ["approver"]
    assert otoloop("user", "disable", "aya", "--json", cwd=site).json["state"] == "disabled"
    assert otoloop("user", "disable", "aya", "--undo", "--json", cwd=site).json["state"] == "active"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("add", "<b>", "--role", "admin"), "cannot be the name"),
        (("link", "nobody"), "no account 'nobody'"), (("disable", "root"), "nobody who may manage"),
        (("add", "root", "--role", "admin"), "exists"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(site, book, people, words, problem):
    said = otoloop("user", *words, cwd=site)
    assert said.code == 1 and problem in said.err and "Traceback" not in said.err
