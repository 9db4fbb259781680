"""Nobody comes past the log-in: every route, every form, every role."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from otoloop.catalog import accounts
from otoloop.web.security import MAX_BODY, SESSION

PASSWORD = "a loud pump in the night"
OPEN = ("/log-in", "/welcome/{token}", "/static")


def token_of(page):
    return re.search(r'name="csrf" value="(\w+)"', page).group(1)


def routes(app, method):
    """Paths of all routes with something in their places."""
    found = [path for path, methods in app.openapi()["paths"].items() if method.lower() in methods]
    assert len(found) > 4
    return found


def filled(path):
    return re.sub(r"\{number\}", "1", re.sub(r"\{(?!number)\w+\}", "x", path))


def test_a_stranger_sees_nothing_but_the_log_in(app, stranger, people):
    for path in routes(app, "GET"):
        if path in OPEN:
            continue
        answer = stranger.get(filled(path))
        quiet = path.startswith(("/audio", "/picture"))
        assert answer.status_code == (401 if quiet else 303), path
        assert quiet or answer.headers["location"].startswith("/log-in"), path
    assert stranger.get("/nowhere").headers["location"] == "/log-in?next=/nowhere"


def test_every_form_of_a_stranger_is_refused(app, stranger, people):
    token = token_of(stranger.get("/log-in").text)
    for path in routes(app, "POST"):
        answer = stranger.post(filled(path), data={"csrf": token} if path not in OPEN else {})
        assert answer.status_code == (403 if path in OPEN else 303), path


def test_every_form_without_its_token_is_refused(app, come_in, door, people):
    with door.book.session() as session:
        accounts.change_roles(session, "root", accounts.ROLES)
    browser = come_in("root")
    for path in routes(app, "POST"):
        for sent in ({}, {"csrf": "0" * 40}):
            assert browser.post(filled(path), data=sent).status_code == 403, path
        token = token_of(browser.get("/accounts").text)
        headers = {"origin": "https://evil.example"}
        assert browser.post(filled(path), data={"csrf": token}, headers=headers).status_code == 403, path


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/accounts", "root"), ("/review", "aya"), ("/ask", "ken aya mori")],
)
def test_pages_ask_for_their_role(come_in, people, path, allowed):
    for name in people:
        status = come_in(name).get(path).status_code
        assert (status in (200, 303)) == (name in allowed.split()), (name, status)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/accounts", "root"), ("/deliveries/retry", "aya root"), ("/review/x/check", "aya"),
     ("/ask", "ken aya mori"), ("/answers/x/feedback", "ken aya mori"), ("/promotions/x", "mori")],
)  # fmt: skip
def test_forms_ask_for_their_role(come_in, people, path, allowed):
    for name in people:
        browser = come_in(name)
        sent = {
            "csrf": token_of(browser.get("/").text),
            "act": "skip",
            "which": "0",
            "question": "?",
            "verdict": "right",
        }
        refused = browser.post(path, data=sent).status_code == 403
        assert refused != (name in allowed.split()), name


def test_the_log_in_leads_back_and_never_elsewhere(come_in, stranger, people):
    asked = urlsplit(stranger.get("/clips?fault=none&page=2").headers["location"])
    page = stranger.get(f"{asked.path}?{asked.query}").text
    wanted = re.search(r'name="next" value="([^"]*)"', page).group(1).replace("&amp;", "&")
    assert wanted == "/clips?fault=none&page=2"
    for away in (
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/x\r\nSet-Cookie: a=b",
    ):
        sent = {"csrf": token_of(stranger.get("/log-in").text), "name": "ken", "password": PASSWORD, "next": away}
        assert stranger.post("/log-in", data=sent).headers["location"] == "/"
        stranger.cookies.clear()


def test_a_login_gets_a_new_session_that_ends_with_it(stranger, people):
    page = stranger.get("/log-in")
    before = stranger.cookies[SESSION]
    sent = {"csrf": token_of(page.text), "name": "ken", "password": PASSWORD}
    answer = stranger.post("/log-in", data=sent)
    flags = answer.headers["set-cookie"].lower()
    after = stranger.cookies[SESSION]
    assert before != after and "httponly" in flags and "samesite=lax" in flags
    stranger.post("/log-out", data={"csrf": token_of(stranger.get("/").text)})
    assert stranger.get("/", headers={"cookie": f"{SESSION}={after}"}).status_code == 303


def test_a_wrong_password_says_so_and_many_make_it_wait(stranger, people):
    for _ in range(5):
        sent = {"csrf": token_of(stranger.get("/log-in").text), "name": "ken", "password": "wrong " + PASSWORD}
        answer = stranger.post("/log-in", data=sent)
        assert (
            answer.status_code == 401
            and "Name or password is wrong" in answer.text
            and "wrong a loud" not in answer.text
        )
    assert stranger.post("/log-in", data={**sent, "password": PASSWORD}).status_code == 429


def test_the_first_admin_comes_in_by_the_link_alone(stranger, door, monkeypatch):
    path = f"/welcome/{door.first_link()}"
    page = stranger.get(path)
    assert page.status_code == 200 and stranger.get(path).status_code == 200  # looking does not use it up
    sent = {"csrf": token_of(page.text), "name": "Root", "password": PASSWORD, "again": "other"}
    assert "The two passwords differ" in stranger.post(path, data=sent).text
    assert stranger.post(path, data={**sent, "again": PASSWORD}).headers["location"] == "/"
    assert stranger.get("/accounts").status_code == 200
    assert stranger.get(path).status_code == 410
    with door.book.reading() as session:
        assert accounts.account(session, "root").roles == ["admin"]


def test_an_admin_lets_people_in_and_out(come_in, stranger, people, door):
    admin, ken = come_in("root"), come_in("ken")
    token = token_of(admin.get("/accounts").text)
    made = admin.post(
        "/accounts", data={"csrf": token, "act": "add", "name": "Yuki", "roles": ["technician", "reviewer"]}
    )
    url = re.search(r'value="(http://127.0.0.1/welcome/[^"]+)"', made.text).group(1)
    assert "Welcome, yuki" in stranger.get(urlsplit(url).path).text
    assert ken.get("/").status_code == 200
    admin.post("/accounts", data={"csrf": token, "act": "disable", "name": "ken"})
    assert ken.get("/").status_code == 303
    refused = admin.post("/accounts", data={"csrf": token, "act": "disable", "name": "root"})
    assert refused.status_code == 422 and "nobody who may manage" in refused.text
    assert (
        admin.post("/accounts", data={"csrf": token, "act": "add", "name": "<b>", "roles": ["admin"]}).status_code
        == 422
    )
    assert (
        admin.post("/accounts", data={"csrf": token, "act": "add", "name": "x", "roles": ["king"]}).status_code == 422
    )


def test_roles_hold_from_the_next_click(come_in, people, door):
    aya = come_in("aya")
    assert aya.get("/review").status_code == 303
    with door.book.session() as session:
        accounts.change_roles(session, "aya", ["technician"])
    assert aya.get("/review").status_code == 403


def test_a_body_that_is_too_large_is_refused_before_it_is_read(come_in, people):
    browser = come_in("ken")
    answer = browser.post(
        "/ask", content=b"x" * (MAX_BODY + 1), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 413 and "20 MB" in answer.text

    def pieces():
        yield b'--x\r\nContent-Disposition: form-data; name="sound"; filename="a.wav"\r\n\r\n'
        for _ in range(MAX_BODY // 2**20 + 1):
            yield b"x" * 2**20

    answer = browser.post("/ask", content=pieces(), headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 413 and "20 MB" in answer.text


def test_an_idle_login_ends(come_in, people, monkeypatch):
    from otoloop.web import accounts as doors

    browser = come_in("ken")
    monkeypatch.setattr(doors, "IDLE", timedelta(0))
    assert browser.get("/").headers["location"] == "/log-in"
