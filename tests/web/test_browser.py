"""People's ways through the pages in Chromium: technician, reviewer, approver, first admin; by keyboard, in two languages."""

import shutil
import socket
import threading
import time

import pytest
import uvicorn

from otoloop.catalog import answers, items

from .conftest import PASSWORD

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def address(app):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        pytest.skip("NOT TESTED IN A BROWSER: no Chromium here (apt-get install chromium)")
    with playwright.sync_playwright() as p:
        options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = p.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """visit("aya"): a window in which that person is logged in; it must have no problem and ask nobody else for anything."""
    windows = []

    def window(name="", **options):
        page = chromium.new_context(viewport={"width": 1440, "height": 950}, locale="en", **options).new_page()
        page.set_default_timeout(60_000)
        page.problems, page.strangers = [], []
        page.on("console", lambda m: page.problems.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: page.problems.append(str(e)))
        page.on("request", lambda r: None if r.url.startswith(address) else page.strangers.append(r.url))
        windows.append(page)
        if name:
            page.goto(address)
            page.fill("#name", name)
            page.keyboard.press("Tab")
            page.keyboard.type(PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(f"{address}/")
        return page

    yield window
    for page in windows:
        assert page.strangers == [] and page.problems == []
        page.context.close()


def state(book, item):
    with book.reading() as session:
        return items.item(session, item).state


# ---- the technician --------------------------------------------------------------------------------------------------


def test_a_technician_asks_and_says_that_it_was_wrong(visit, address, people, book, sounds):
    page = visit("ken")
    page.keyboard.press("2")
    page.wait_for_url("**/ask")
    page.set_input_files("#sound", {"name": "pump.flac", "mimeType": "audio/flac", "buffer": sounds[0][1]})
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_url("**/answers/*", timeout=120_000)
    page.wait_for_selector(".player.ready")
    assert page.locator("mark.confirmed, mark.contradicted").count() >= 1
    page.locator("mark").first.hover()
    page.select_option("#label", "air_leak")
    page.fill("#comment", "opened it, the seal was worn")
    page.keyboard.press("Enter")  # in a field: says nothing
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    page.wait_for_selector(".flash")
    page.wait_for_selector(".player.ready")
    with book.reading() as session:
        ((row,), (said,)) = answers.answers(session), answers.feedback(session)
    assert (said.answer, said.verdict, said.label, said.actor) == (row.id, "wrong", "air_leak", "ken")
    page.keyboard.press("8")
    page.wait_for_url("**/answers")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/answers/{row.id}")
    assert "opened it, the seal was worn" in page.inner_text("main")
    assert page.locator(".menu a").all_inner_texts()[-1] == "Answers"  # accounts are the admin's


# ---- the reviewer ----------------------------------------------------------------------------------------------------


def test_a_reviewer_sees_marks_and_approves_by_keyboard(visit, address, people, book):
    page = visit("aya")
    page.goto(f"{address}/items")
    page.keyboard.press("Enter")
    page.wait_for_selector(".player.ready")
    with book.reading() as session:
        ids = [v.item.id for v in items.items(session, state="queued")]
    while page.locator("mark.confirmed").count() == 0:
        before = page.url
        page.keyboard.press("j")
        page.wait_for_url(lambda url, before=before: url != before)
        page.wait_for_selector(".player.ready")
    item = page.url.rsplit("/", 1)[1].split("?")[0]
    assert item in ids
    page.locator("mark.confirmed").first.hover()
    assert page.locator(".claims tr.on").count() == 1
    page.keyboard.press("a")
    page.wait_for_url(lambda url: item not in url)
    page.wait_for_selector(".flash")
    assert state(book, item) == "approved"


def test_sound_plays_and_keys_rest_while_typing(visit, address, people, book, spoiled):
    page = visit("aya")
    page.goto(f"{address}/review/{spoiled}")
    page.wait_for_selector(".player.ready")
    assert page.locator("mark.contradicted").count() >= 1 and page.locator(".overlay .contradicted line").count() >= 1
    page.keyboard.press("]")
    assert "1.25" in page.locator("[data-speed]").inner_text()
    page.keyboard.press(" ")
    playwright.expect(page.locator("[data-clock]")).not_to_contain_text("0.0 /")
    page.keyboard.press(" ")
    playwright.expect(page.locator("[data-play]")).to_have_text("▶")
    page.keyboard.press("e")
    page.keyboard.type(" a r s j 1")
    assert state(book, spoiled) == "queued" and page.url.endswith(spoiled)
    page.wait_for_selector("#checked .bad")


def test_a_correction_is_checked_live_and_approved(visit, address, people, book, spoiled):
    with book.reading() as session:
        right = next(t.text for t in items.traces(session, spoiled) if t.version == 1)
    page = visit("aya")
    page.goto(f"{address}/review/{spoiled}")
    page.wait_for_selector(".player.ready")
    page.keyboard.press("a")
    page.wait_for_selector("#edit[open] .problems")
    page.problems.clear()  # the browser tells of the refusal's status, 422
    assert state(book, spoiled) == "queued"
    page.fill("#text", right)
    page.wait_for_selector("#checked .verdict.good")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: spoiled not in url)
    assert state(book, spoiled) == "approved"


# ---- the approver ----------------------------------------------------------------------------------------------------


def test_an_approver_listens_to_examples_and_approves(visit, address, people, asked, site):
    from otoloop.promote import enrol, promotion

    enrol.add(site, "mori")
    page = visit("mori")
    page.get_by_role("link", name="1 candidates to approve or reject").click()
    page.wait_for_url("**/promotions?state=open")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/promotions/v1-2")
    example = page.locator(".example").first
    playwright.expect(example.locator("img")).to_be_visible()
    assert example.locator(".trace").count() == 2
    example.locator("audio").evaluate("sound => { sound.muted = true; return sound.play(); }")
    page.wait_for_function("document.querySelector('.example audio').currentTime > 0")
    page.keyboard.press("d")
    page.fill("#reason", "heard all of them")
    page.fill("#secret", PASSWORD)
    page.get_by_role("button", name="Approve").click()
    page.wait_for_selector("text=It goes live within a minute")
    assert all(outcome.live for outcome in promotion.promote_all(site))
    page.goto(address)
    playwright.expect(page.locator("svg.loop")).to_contain_text("v1 on prod")


# ---- everybody -------------------------------------------------------------------------------------------------------


def test_the_first_admin_comes_in_by_the_link_and_lets_a_reviewer_in(visit, address, door):
    page = visit()
    page.goto(f"{address}/welcome/{door.first_link()}")
    page.fill("#name", "Root")
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.get_by_role("button", name="Come in").click()
    page.wait_for_url(f"{address}/")
    page.get_by_role("link", name="Accounts").click()
    page.fill("#new", "aya")
    page.get_by_role("button", name="Make the account and a link").click()
    link = page.locator("input.copy").input_value()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/log-in")
    page.goto(link)
    assert "Welcome, aya" in page.inner_text("h1")


def test_pages_are_found_by_keyboard_and_change_their_language(visit, address, people):
    page = visit("aya")
    page.wait_for_selector("html.js")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("?")
    playwright.expect(page.locator("dialog.help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("5")
    page.wait_for_url("**/clips")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "machine"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.matches('[data-row]')")
    page.get_by_role("link", name="日本語").click()
    page.wait_for_selector("html[lang=ja]")
    assert page.inner_text("h1") == "録音"
    page.keyboard.press("1")
    page.wait_for_url(f"{address}/")
    assert page.locator("html[lang=ja]").count() == 1


def test_everything_works_without_scripts(visit, address, people, book):
    page = visit("aya", java_script_enabled=False)
    page.goto(f"{address}/review")
    item = page.url.rsplit("/", 1)[1]
    page.get_by_role("button", name="Approve").first.click()
    page.wait_for_selector(".flash")
    assert state(book, item) == "approved"
    page.goto(f"{address}/clips")
    page.select_option("[name=fault]", "none")
    page.get_by_role("button", name="Show").click()
    page.wait_for_selector(".empty")


def test_on_a_phone_the_picture_is_a_list_and_nothing_is_cut_off(visit, address, people, book):
    page = visit("ken", has_touch=True)
    page.set_viewport_size({"width": 390, "height": 800})
    with book.reading() as session:
        view = items.items(session)[0]
    for path in ("/", "/ask", "/items", "/deliveries", "/clips", f"/clips/{view.item.clip}", "/answers", "/promotions"):
        page.goto(f"{address}{path}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, (path, wide)
    page.goto(address)
    playwright.expect(page.locator(".loop-list")).to_be_visible()
    playwright.expect(page.locator("svg.loop")).to_be_hidden()
