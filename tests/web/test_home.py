"""The home page's numbers, and the lists behind them: every number is counted again by the list that it links to."""

import html
import re

import pytest

from otoloop.catalog import answers, deliveries, items, notes
from otoloop.catalog.deliveries import Arrival


@pytest.fixture
def busy(book):
    """Deliveries of every kind, an approved and a rejected item, answers with feedback, a clip nobody named."""
    with book.session() as session:
        arrivals = [
            Arrival(
                "incoming",
                f"osaka/pump-{n}/2026-05-01/<img src=x>{n}.wav",
                f"e{n}",
                1000,
                "audio",
                f"s{n}",
                "osaka",
                f"pump-{n}",
            )
            for n in range(5)
        ]
        rows = deliveries.claim(session, arrivals)
        for row, code in zip(rows[:3], ("silent", "silent", "clipped"), strict=True):
            message = "The level is -92.1 dBFS; below -70 dBFS counts as silence."
            deliveries.finish(session, row.id, "quarantined", reason_code=code, message=message, remedy="Check <it>.")
        deliveries.finish(session, rows[3].id, "waiting")
        views = items.items(session)
        notes.set_label(session, views[0].item.clip, None, source="reviewer")
        for n, verdict in enumerate(("right", "wrong", "wrong", None)):
            output = views[n].trace.text
            answers.add_answer(session, f"a{n}", question="What <b>is</b> it?", output=output, version="v1", site="osaka",
                               machine="pump-1", channel="prod", confidence=0.8)  # fmt: skip
            if verdict:
                answers.add_feedback(session, f"a{n}", verdict, actor="ken", comment="<i>no</i>")
    return book


def numbers(page):
    """(number, link) of everything in the picture."""
    picture = page[page.index('<svg class="loop"') : page.index("</svg>")]
    links = re.findall(r'<a href="([^"]+)"[^>]*>(.*?)</a>', picture, re.DOTALL)
    found = [(re.search(r">[^<\d]*(\d+)", text), html.unescape(link)) for link, text in links]
    return [(int(n.group(1)), link) for n, link in found if n]


def test_every_number_is_counted_again_by_its_list(client, busy, finished):
    found = numbers(client.get("/").text)
    assert len(found) > 12
    counted = {
        "/cycles": r"<b>(\d+)</b> finished", "/releases": None, "/promotions": None, "/cycles/1": None,
        "/items?state=approved": None,
    }  # fmt: skip
    checked = 0
    for n, link in found:
        page = client.get(link)
        assert page.status_code == 200, link
        path = link if link in counted else link.split("?")[0]
        pattern = counted.get(link, counted.get(path, r'<span class="quiet">(\d+) entr'))
        if pattern and not path.startswith(("/promotions", "/cycles?")):
            assert int(re.search(pattern, page.text).group(1)) == n, (link, n)
            checked += 1
    assert checked >= 9


def test_the_home_page_says_what_waits_for_whom_and_what_was_refused(client, busy, finished):
    page = client.get("/").text
    assert "12 items to review" in page and "1 clips that nobody named" in page and "3 deliveries in quarantine" in page
    assert "2 · silent" in page and "1 · overdriven" in page
    assert 'href="/cycles/1">cycle 1</a>' in page and "more recordings would decide" in page
    assert "The registry does not answer" in page  # no store runs here, and the page stands all the same


@pytest.mark.parametrize(
    ("path", "total"),
    [
        ("/deliveries", 5), ("/deliveries?state=quarantined", 3), ("/deliveries?state=quarantined&reason=clipped", 1),
        ("/deliveries?site=osaka&machine=pump-1", 1), ("/deliveries?days=1", 5),
        ("/deliveries?state=&kind=&machine=&days=", 5), ("/deliveries?kind=note", 0),
        ("/clips", 6), ("/clips?fault=none", 1), ("/clips?machine=pump-2", 1), ("/clips?state=erased", 0),
        ("/items", 12), ("/items?state=approved", 0), ("/items?state=&machine=pump-1", 2), ("/items?why=complaint", 0),
        ("/answers", 4), ("/answers?verdict=wrong", 2), ("/answers?verdict=none", 1), ("/answers?version=v2", 0),
        ("/feedback", 3), ("/feedback?verdict=right", 1), ("/clips?fault=x'%20or%201=1--", 0), ("/items?fault=%25", 0),
    ],
)  # fmt: skip
def test_lists_filter(client, busy, path, total):
    page = client.get(path).text
    assert re.search(r'<span class="quiet">(\d+) entr', page).group(1) == str(total)


def test_lists_turn_pages_and_keep_their_filters(client, busy, monkeypatch):
    from otoloop.catalog import lists

    monkeypatch.setattr(lists, "SIZE", 5)
    seen = []
    for number in (1, 2, 3):
        page = client.get(f"/items?state=queued&site=osaka&page={number}").text
        seen += re.findall(r'href="/review/([^"]+)" data-row', page)
        following = f"/items?state=queued&amp;site=osaka&amp;page={number + 1}"
        assert (following in page) == (number < 3)
    assert len(seen) == len(set(seen)) == 12
    assert client.get("/items?page=99").text.count("data-row") == 2
    assert client.get("/items?page=0").status_code == client.get("/items?page=x").status_code == 422


def test_what_people_and_files_say_is_never_markup(client, busy):
    for path in ("/deliveries", "/answers", "/feedback", "/answers/a1"):
        page = client.get(path).text
        assert "<img src=x>" not in page and "<b>is</b>" not in page and "<i>no</i>" not in page
    assert "&lt;img src=x&gt;0.wav" in client.get("/deliveries").text


def test_quarantined_deliveries_are_tried_again(client, busy):
    page = client.get("/deliveries?state=quarantined").text
    token = re.search(r'name="csrf" value="(\w+)"', page).group(1)
    client.post("/deliveries/retry", data={"csrf": token, "which": "clipped"})
    with busy.reading() as session:
        assert deliveries.count_by_state(session)[("audio", "claimed")] == 2
    client.post("/deliveries/retry", data={"csrf": token, "which": "all"})
    with busy.reading() as session:
        assert deliveries.refused(session) == {}


def test_a_clip_shows_its_sound_and_everything_made_from_it(client, busy):
    with busy.reading() as session:
        view = items.items(session)[1]
    page = client.get(f"/clips/{view.item.clip}").text
    assert "data-player" in page and "Measured in the sound" in page and f'href="/review/{view.item.id}"' in page
    assert "&lt;b&gt;noisy&lt;/b&gt; since Monday" in page
    assert client.get(f"/clips/{view.item.clip[:12]}").status_code == 200
    missing = client.get("/clips/nothing")
    assert missing.status_code == 404 and "is not in the catalogue" in missing.text


def test_an_erased_clip_shows_nothing_of_its_sound(client, busy):
    from otoloop.catalog import clips

    with busy.session() as session:
        clip = items.items(session)[1].item.clip
        clips.erase_clip(session, clip)
        notes.erase_notes(session, clip)
    page = client.get(f"/clips/{clip}").text
    assert "erased on request" in page and "data-player" not in page and "noisy" not in page


def test_a_cycle_shows_verdict_checks_and_both_models_words(client, finished):
    page = client.get("/cycles/1").text
    assert "not enough data" in page and "Better on the target" in page and "otoloop-mini" in page and "mika" in page
    assert page.count('class="example"') == 5 and "candidate</h3>" in page and "base</h3>" in page
    assert '<mark class="confirmed"' in page and "/picture/" in page
    assert "12 new items" in client.get("/cycles").text
    assert client.get("/cycles/2").status_code == 404


def test_the_gates_report_is_served_as_it_was_written_and_may_run_nothing(client, finished, site):
    answer = client.get("/cycles/1/report")
    assert answer.text == (site / "gate/report.html").read_text()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "sha256-" in policy and "unsafe" not in policy and "script" not in policy


def test_a_cycle_without_its_data_still_stands(client, finished, site):
    import shutil

    shutil.rmtree(site / ".dvc/cache")
    page = client.get("/cycles/1")
    assert page.status_code == 200 and "Its words are not there any more" in page.text


def test_a_technician_names_what_a_clip_nobody_named_shows(come_in, busy):
    from otoloop.catalog import lists

    ken = come_in("ken")
    with busy.reading() as session:
        ((clip, _),) = lists.clips(session, fault="none").rows
    page = ken.get(f"/clips/{clip.id}").text
    sent = {"csrf": re.search(r'name="csrf" value="(\w+)"', page).group(1), "fault": "air_leak"}
    answer = ken.post(f"/clips/{clip.id}", data=sent)
    assert "Noted" in ken.get(answer.headers["location"]).text
    with busy.reading() as session:
        label = notes.label(session, clip.id)
    assert (label.fault, label.source, label.actor) == ("air_leak", "reviewer", "ken")
    assert ken.post(f"/clips/{clip.id}", data={**sent, "fault": "gremlins"}).status_code == 422
    assert come_in("mori").post(f"/clips/{clip.id}", data=sent).status_code == 403
