"""The page of the days' numbers."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

from otoloop.catalog import answers
from otoloop.catalog.tables import AnswerRow


def test_the_page_shows_what_is_known_and_a_dash_for_the_rest(client, book):
    page = client.get("/numbers").text
    assert "No answers in this time." in page
    with book.session() as session:
        answers.add_answer(
            session, "a1", question="?", output="x", version="<v1>", site="osaka", latency_ms=812.0,
            details={"valid": False, "claim_counts": {}},
        )  # fmt: skip
        answers.add_feedback(session, "a1", "wrong", actor="ken")
    page = client.get("/numbers?days=1").text
    assert "&lt;v1&gt;" in page and "<v1>" not in page and "812" in page
    assert "100 %" in page and "21–100 % · 1/1" in page, "share, interval, n"
    assert '<td class="num">–</td>' in page, "no claim could be compared"
    assert 'href="/items?state=queued&amp;site=osaka"' in page or 'href="/items?state=queued&site=osaka"' in page
    assert 'href="/numbers"' in client.get("/").text
    assert "日ごとの数字" in client.get("/numbers?lang=ja&days=").text


def test_the_list_behind_a_row_holds_as_many_answers_as_the_row_says(client, book):
    now = datetime.now(UTC)
    with book.session() as session:
        for n, (day, site) in enumerate([(0, "osaka"), (0, ""), (0, "kobe"), (1, "osaka"), (1, ""), (1, "")]):
            answers.add_answer(session, f"a{n}", question=f"question {n}?", output="x", version="v1", site=site)
            session.get(AnswerRow, f"a{n}").created_at = now - timedelta(days=day)
    rows = re.findall(
        r'<td class="tight">([-\d]+)</td><td><a href="([^"]+)" data-row>v1</a></td><td>([^<]+)</td><td class="num">(\d)',
        client.get("/numbers").text,
    )
    assert len(rows) == 5 and {n for *_, n in rows} == {"1", "2"}
    for day, address, site, n in rows:
        page = client.get(unescape(address)).text
        assert page.count("question ") == int(n), (day, site)
        assert f'type="date" name="day" value="{day}"' in page
    assert client.get("/answers?day=0001-01-01").text.count("question ") == 0
    assert client.get("/answers?day=").text.count("question ") == 6
    assert {client.get(f"/answers?day={wrong}").status_code for wrong in ("soon", "9999-12-31")} == {422}


def test_strangers_do_not_see_it(stranger):
    assert stranger.get("/numbers").status_code == 303
