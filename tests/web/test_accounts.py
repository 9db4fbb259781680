"""The door itself: one-time links, passwords, logins, the brake on guessing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from otoloop.catalog import accounts
from otoloop.errors import OtoloopError
from otoloop.web import accounts as doors
from otoloop.web.accounts import TRIES, TRIES_FROM, WaitError

PASSWORD = "a loud pump in the night"


def test_the_first_link_makes_one_admin_once(door):
    token = door.first_link()
    assert door.accept(token, PASSWORD, name="Root", roles=["reviewer"]) == "root"
    assert door.first_link() is None
    with pytest.raises(OtoloopError, match="used, or is too old"):
        door.accept(token, PASSWORD, name="mallory")
    with door.book.reading() as session:
        (row,) = accounts.accounts(session)
    assert row.roles == ["reviewer", "admin"]


def test_of_many_who_use_a_link_at_once_one_gets_in(door):
    token = door.first_link()

    def take(n):
        try:
            return door.accept(token, PASSWORD, name=f"person-{n}")
        except OtoloopError:
            return None

    with ThreadPoolExecutor(8) as pool:
        assert sum(name is not None for name in pool.map(take, range(16))) == 1
    with door.book.reading() as session:
        assert len(accounts.accounts(session)) == 1


def test_a_newer_link_ends_the_older_and_time_ends_both(door, monkeypatch):
    old, new = door.first_link(), door.first_link()
    with pytest.raises(OtoloopError):
        door.invited(old)
    assert door.invited(new).account is None
    monkeypatch.setattr(doors, "FIRST_LINK", timedelta(seconds=-1))
    with pytest.raises(OtoloopError, match="too old"):
        door.accept(door.first_link(), PASSWORD, name="late")


def test_weak_passwords_are_refused_and_leave_the_link_alive(door):
    token = door.first_link()
    for weak in ("short", "aaaaaaaaaaaaaaa", "x" * 201, "a long name here"):
        with pytest.raises(OtoloopError):
            door.accept(token, weak, name="A Long Name Here")
    assert door.accept(token, PASSWORD, name="A Long Name Here") == "a long name here"


def test_the_catalogue_holds_no_secret(door, people):
    token = door.log_in("ken", PASSWORD, "here")
    link = door.link("aya")
    with door.book.reading() as session:
        tables = ("accounts", "logins", "links", "login_failures")
        dump = " ".join(str(row) for t in tables for row in session.execute(text(f"SELECT * FROM {t}")))
    assert "$argon2id$" in dump and not any(secret in dump for secret in (token, link, PASSWORD))


def test_a_login_lasts_until_it_is_ended(door, people, monkeypatch):
    token = door.log_in("KEN ", PASSWORD, "here")
    assert door.who(token).name == "ken" and door.who(token).may("ask") and not door.who(token).may("review")
    assert door.who("x" * 43) is None and door.who("") is None
    door.log_out(token)
    assert door.who(token) is None
    token = door.log_in("ken", PASSWORD, "here")
    monkeypatch.setattr(doors, "IDLE", timedelta(0))
    assert door.who(token) is None
    monkeypatch.setattr(doors, "IDLE", timedelta(hours=1))
    monkeypatch.setattr(doors, "LASTING", timedelta(0))
    assert door.who(token) is None


def test_a_new_password_or_a_closed_account_ends_every_login(door, people):
    token = door.log_in("ken", PASSWORD, "here")
    door.accept(door.link("ken"), PASSWORD + "!")
    assert door.who(token) is None
    with pytest.raises(OtoloopError, match="wrong"):
        door.log_in("ken", PASSWORD, "here")
    token = door.log_in("ken", PASSWORD + "!", "here")
    with door.book.session() as session:
        accounts.disable(session, "ken")
    assert door.who(token) is None
    with pytest.raises(OtoloopError, match="Name or password is wrong"):
        door.log_in("ken", PASSWORD + "!", "here")
    with pytest.raises(OtoloopError, match="disabled"):
        door.link("ken")


def test_guessing_is_slowed_down_by_name_and_by_address(door, people):
    for _ in range(TRIES):
        with pytest.raises(OtoloopError, match="Name or password is wrong"):
            door.log_in("ken", "not this one", "here")
    with pytest.raises(WaitError):
        door.log_in("ken", PASSWORD, "elsewhere")
    assert door.log_in("aya", PASSWORD, "here")
    for n in range(TRIES_FROM - TRIES):
        with pytest.raises(OtoloopError):
            door.log_in(f"nobody-{n}", "not this one", "here")
    with pytest.raises(WaitError):
        door.log_in("aya", PASSWORD, "here")
    door.accept(door.link("ken"), PASSWORD)
    assert door.log_in("ken", PASSWORD, "elsewhere")


def test_a_crowd_of_guesses_at_once_does_not_pass_the_brake(door, people):
    def guess(_):
        try:
            door.log_in("ken", "not this one", "here")
        except WaitError:
            return "wait"
        except OtoloopError:
            return "wrong"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(guess, range(32)))
    assert outcomes.count("wrong") <= TRIES + 2


def test_someone_must_be_left_who_manages_accounts(door, people):
    with pytest.raises(OtoloopError, match="nobody who may manage"), door.book.session() as session:
        accounts.disable(session, "root")
    with pytest.raises(OtoloopError, match="nobody who may manage"), door.book.session() as session:
        accounts.change_roles(session, "root", ["technician"])
    with door.book.reading() as session:
        assert accounts.account(session, "root").roles == ["admin"]


@pytest.mark.parametrize("name", ["", " ", "<b>x</b>", "a\nb", "../x", "x" * 61, "-x"])
def test_odd_names_are_refused(door, people, name):
    with pytest.raises(OtoloopError):
        door.add(name, ["technician"])


def test_look_alike_names_are_one_account(door, people):
    for name in ("KEN", " ken ", "ｋｅｎ"):
        with pytest.raises(OtoloopError, match="exists"):
            door.add(name, ["technician"])
    assert door.add("綾 Aya", ["reviewer"])


@given(st.text(max_size=70))
def test_a_clean_name_stays_as_it_is(name):
    try:
        plain = accounts.clean_name(name)
    except OtoloopError:
        return
    assert accounts.clean_name(plain) == plain and plain == plain.strip() and "\n" not in plain
