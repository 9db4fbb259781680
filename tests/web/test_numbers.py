"""The page of the days' numbers."""

from otoloop.catalog import answers


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


def test_strangers_do_not_see_it(stranger):
    assert stranger.get("/numbers").status_code == 303
