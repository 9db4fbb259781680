"""A person's way through the page in Chromium: claim marks, keys, live check, playing, approving."""

import shutil
import socket
import threading
import time

import pytest
import uvicorn

from otoloop.catalog import items

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def address(app, people):
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


@pytest.fixture
def page(address):
    if CHROMIUM is None:
        pytest.skip("NOT TESTED IN A BROWSER: no Chromium here (apt-get install chromium)")
    with playwright.sync_playwright() as p:
        options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = p.chromium.launch(executable_path=CHROMIUM, args=options)
        opened = browser.new_page(viewport={"width": 1440, "height": 950})
        opened.problems, opened.strangers = [], []
        opened.on("console", lambda m: opened.problems.append(m.text) if m.type in ("error", "warning") else None)
        opened.on("pageerror", lambda e: opened.problems.append(str(e)))
        opened.on("request", lambda r: None if r.url.startswith(address) else opened.strangers.append(r.url))
        yield opened
        browser.close()


def state(book, item):
    with book.reading() as session:
        return items.item(session, item).state


def test_a_reviewer_sees_marks_and_approves_by_keyboard(page, address, book):
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
    assert page.problems == [] and page.strangers == []


def test_sound_plays_and_keys_rest_while_typing(page, address, book, spoiled):
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
    page.keyboard.type(" a r s j")
    assert state(book, spoiled) == "queued" and page.url.endswith(spoiled)
    page.wait_for_selector("#checked .bad")
    assert page.problems == [] and page.strangers == []


def test_a_correction_is_checked_live_and_approved(page, address, book, spoiled):
    with book.reading() as session:
        right = next(t.text for t in items.traces(session, spoiled) if t.version == 1)
    page.goto(f"{address}/review/{spoiled}")
    page.wait_for_selector(".player.ready")
    page.keyboard.press("a")
    page.wait_for_selector("#edit[open] .problems")
    assert state(book, spoiled) == "queued"
    page.fill("#text", right)
    page.wait_for_selector("#checked .verdict.good")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: spoiled not in url)
    assert state(book, spoiled) == "approved" and page.strangers == []
