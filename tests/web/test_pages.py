"""The review pages without a browser: what they show, what they refuse, and that forms work without scripts."""

import re

import pytest

from otoloop.catalog import items, notes, reviews


def fields(page: str, act: str) -> dict[str, str]:
    """What a browser without scripts sends when the button ``act`` is pressed."""
    form = next(f for f in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'value="{act}"' in f)
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    return {**hidden, "act": act}


def first(book, style="cot"):
    with book.reading() as session:
        return next(v.item.id for v in items.items(session, state="queued") if v.item.style == style)


def state(book, item):
    with book.reading() as session:
        return items.item(session, item).state


def test_the_queue_shows_counts_and_items(client):
    page = client.get("/items").text
    assert "<b>12</b> queued" in page and "pump-3</a>" in page and "Start reviewing" in page
    assert client.get("/review").headers["location"].startswith("/review/")
    assert "No item is approved" in client.get("/items?state=approved").text


def test_an_item_shows_sound_question_claims_and_evidence(client, book):
    page = client.get(f"/review/{first(book)}").text
    assert '<mark class="confirmed"' in page and "claims confirmed" in page and "<audio" in page
    assert "Measured in the sound" in page and "Sensors and geometry" in page
    assert "&lt;b&gt;noisy&lt;/b&gt;" in page and "<b>noisy</b>" not in page


def test_wrong_claims_are_marked_in_text_list_and_picture(client, spoiled):
    page = client.get(f"/review/{spoiled}").text
    number = re.search(r'<mark class="contradicted" data-claim="(\d+)"', page).group(1)
    assert page.count(f'data-claim="{number}"') >= 3
    assert ("claim_contradicted" in page and "checks speak" in page) or "check speaks" in page


def test_approve_moves_on_to_the_next_item(client, book):
    item = first(book)
    answer = client.post(f"/review/{item}", data=fields(client.get(f"/review/{item}").text, "approve"))
    assert answer.status_code == 303 and answer.headers["location"].startswith("/review/")
    assert item not in answer.headers["location"] and state(book, item) == "approved"
    assert "The last item was approved" in client.get(answer.headers["location"]).text


def test_the_account_signs(client, book):
    item = first(book)
    client.post(f"/review/{item}", data=fields(client.get(f"/review/{item}").text, "approve"))
    with book.reading() as session:
        (row,) = reviews.reviews(session, item_id=item)
    assert row.actor == "aya" and 0 <= row.seconds_spent < 60


def test_a_contradicting_trace_comes_back_with_reasons_and_can_be_forced(client, book, spoiled):
    page = client.get(f"/review/{spoiled}").text
    refused = client.post(f"/review/{spoiled}", data=fields(page, "approve"))
    assert refused.status_code == 422 and "claim_contradicted" in refused.text and state(book, spoiled) == "queued"
    text = "<THINK></THINK><RESPONSE>nonsense</RESPONSE>"
    typed = client.post(f"/review/{spoiled}", data={**fields(page, "edit"), "trace": text})
    assert typed.status_code == 422 and "nonsense" in typed.text
    with book.reading() as session:
        trace = items.item(session, spoiled).trace.text
    forced = {
        **fields(page, "edit"),
        "trace": trace.replace("\n", "\r\n"),
        "force": "1",
        "reason": "the detector is deaf",
    }
    assert client.post(f"/review/{spoiled}", data=forced).status_code == 303 and state(book, spoiled) == "approved"


def test_reject_with_another_fault_corrects_the_label(client, book):
    item = first(book)
    page = client.get(f"/review/{item}").text
    assert client.post(f"/review/{item}", data=fields(page, "reject")).status_code == 422
    sent = {**fields(page, "reject"), "reason": "it hisses", "fault": "air_leak"}
    assert client.post(f"/review/{item}", data=sent).status_code == 303 and state(book, item) == "rejected"
    with book.reading() as session:
        assert notes.label(session, items.item(session, item).item.clip).fault == "air_leak"


def test_skip_shows_the_next_and_leaves_the_item(client, book):
    item = first(book)
    answer = client.post(f"/review/{item}", data=fields(client.get(f"/review/{item}").text, "skip"))
    assert answer.status_code == 303 and state(book, item) == "queued"
    assert item not in client.get("/review").headers["location"]


def test_stale_pages_get_409(client, book):
    item = first(book)
    page = client.get(f"/review/{item}").text
    with book.session() as session:
        view = items.item(session, item)
        items.add_trace(session, item, view.trace.text, drafter="composer")
    late = client.post(f"/review/{item}", data=fields(page, "approve"))
    assert late.status_code == 409 and "newer trace" in late.text and "Take the next one" in late.text
    client.post(f"/review/{item}", data=fields(client.get(f"/review/{item}").text, "approve"))
    assert client.post(f"/review/{item}", data=fields(page, "approve")).status_code == 409


def test_edits_are_checked_while_typing(client, book, spoiled):
    page = client.get(f"/review/{spoiled}").text
    token = fields(page, "edit")["csrf"]
    with book.reading() as session:
        text = items.item(session, spoiled).trace.text
    wrong = client.post(f"/review/{spoiled}/check", data={"csrf": token, "trace": text}).text
    assert "claim_contradicted" in wrong and "<html" not in wrong
    assert "format" in client.post(f"/review/{spoiled}/check", data={"csrf": token, "trace": "x"}).text


def test_forged_forms_are_refused(client, book):
    item = first(book)
    good = fields(client.get(f"/review/{item}").text, "approve")
    assert client.post(f"/review/{item}", data={**good, "csrf": "0" * 40}).status_code == 403
    assert client.post(f"/review/{item}", data=good, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.post(f"/review/{item}", data={**good, "shown_at": "1.0"}).status_code == 403
    client.cookies.clear()
    assert client.post(f"/review/{item}", data=good).headers["location"] == "/log-in"
    assert state(book, item) == "queued"


def test_other_hosts_are_refused_and_headers_are_strict(client):
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    for path in ("/", "/static/app.js", "/nowhere"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy


def test_sound_needs_a_signature_and_answers_ranges(client, sounds, book):
    clip, data = sounds[0][0], sounds[0][1]
    assert client.get(f"/audio/{clip}").status_code == 403
    with book.reading() as session:
        item = next(v.item.id for v in items.items(session, clip=clip))
    sig = re.search(rf"/audio/{clip}\?sig=(\w+)", client.get(f"/review/{item}").text).group(1)
    assert client.get(f"/audio/{sounds[1][0]}?sig={sig}").status_code == 403
    whole = client.get(f"/audio/{clip}?sig={sig}")
    assert whole.content == data and whole.headers["content-type"] == "audio/flac"
    for header, part in (("bytes=0-99", data[:100]), ("bytes=100-", data[100:]), ("bytes=-50", data[-50:])):
        answer = client.get(f"/audio/{clip}?sig={sig}", headers={"range": header})
        assert answer.status_code == 206 and answer.content == part
    for header in ("bytes=999999999-", "bytes=5-2", "bytes=-", "lines=1-2"):
        assert client.get(f"/audio/{clip}?sig={sig}", headers={"range": header}).status_code == 416
    picture = client.get(f"/picture/{clip}.png?sig={sig}")
    assert picture.content[:8] == b"\x89PNG\r\n\x1a\n"


def test_unknown_items_and_decided_ones_are_explained(client, book):
    assert client.get("/review/nothing").status_code == 404
    item = first(book)
    client.post(f"/review/{item}", data=fields(client.get(f"/review/{item}").text, "approve"))
    page = client.get(f"/review/{item}").text
    assert "This item is approved" in page and 'value="approve"' not in page and "History" in page


def test_double_review_is_blind(client, book):
    from otoloop.catalog.tables import ItemRow

    item = first(book)
    with book.session() as session:
        session.get_one(ItemRow, item).double = True
    client.post(f"/review/{item}", data=fields(client.get(f"/review/{item}").text, "approve"))
    mine = client.get(f"/review/{item}").text
    assert "You have reviewed this item" in mine and "History" not in mine and state(book, item) == "queued"


def test_nothing_is_fetched_from_elsewhere(client, book):
    for page in (client.get("/").text, client.get("/items").text, client.get(f"/review/{first(book)}").text):
        links = re.findall(r'(?:src|href|action|hx-post)="([^"]*)"', page)
        assert links and all(link.startswith(("/", "#")) and not link.startswith("//") for link in links)
        assert "<script>" not in page and 'style="' not in page and "onclick" not in page


@pytest.mark.parametrize("hz", [100, 440, 1000, 3000, 7999])
def test_marks_lie_where_the_picture_has_them(hz):
    """A sine is brightest in the row of the log-mel picture where a mark of its frequency is drawn."""
    import numpy as np

    from otoloop.audio.picture import MELS, log_mel
    from otoloop.web.sound import height

    wave = np.sin(2 * np.pi * hz * np.arange(16000) / 16000).astype(np.float32)
    row = int(log_mel(wave).mean(1).argmax())
    assert abs((row + 0.5) / MELS - height(hz)) < 2.5 / MELS


def test_sound_comes_from_the_workspaces_store(object_store, sounds):
    """The real store behind the page; a clip that is not there is explained, not a crash."""
    from otoloop.errors import OtoloopError
    from otoloop.store.content import get_audio, put_audio
    from otoloop.web.sound import Sounds

    put_audio(object_store, sounds[0][0], sounds[0][1])
    page = Sounds(lambda clip: get_audio(object_store, clip))
    assert page.answer(sounds[0][0], "bytes=0-3").body == b"fLaC" and len(page.peaks(sounds[0][0])) <= 1400
    with pytest.raises(OtoloopError):
        page.peaks(sounds[1][0])
