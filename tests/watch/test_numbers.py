"""The numbers of each day: counted per version and site, with intervals, and None where nobody knows."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from otoloop import cli
from otoloop.catalog import items, notes
from otoloop.watch import numbers
from otoloop.watch.numbers import Rate, daily

TODAY = date(2026, 5, 3)


def at(day: int, hour: int = 9) -> datetime:
    return datetime(2026, 5, day, hour, tzinfo=UTC)


def test_each_day_version_and_site_has_its_own_line(site):
    counts = {"confirmed": 3, "contradicted": 1, "unverifiable": 5, "not_hearable": 1}
    for n in range(4):
        details = {"valid": n > 0, "lang": "en", "claim_counts": counts}
        site.ask(f"a{n}", None, created_at=at(2), latency_ms=100.0 * (n + 1), details=details)
    site.ask("b", None, version="v2", created_at=at(3), details={})
    site.say("a0")
    site.say("a0")
    site.say("a1", "right")
    with site.book.reading() as session:
        found = daily(session, 2, TODAY)
        assert daily(session, 1, TODAY).served == [found.served[0]], "older days are left out"
    new, old = found.served
    assert (old.day, old.version, old.site, old.answers) == (date(2026, 5, 2), "v1", "osaka", 4)
    assert (old.complaints.hits, old.complaints.n) == (1, 4) and old.complaints.low < 0.25 < old.complaints.high
    assert (old.invalid.hits, old.invalid.n) == (1, 4) and (old.claims.hits, old.claims.n) == (12, 20)
    assert old.latency_ms == 250 and 380 < old.latency_p95_ms <= 400
    assert (new.version, new.complaints.hits, new.invalid, new.claims, new.latency_ms) == ("v2", 0, None, None, None)
    shown = json.loads(json.dumps(found.to_json()))
    assert shown["served"][0]["claims"] is None and shown["served"][1]["day"] == "2026-05-02"
    assert numbers.table(found)[0]["claims confirmed"] == "–"
    assert numbers.table(found)[1]["called wrong"].startswith("25 % (")


def test_the_queue_is_known_today_only_and_minutes_are_those_of_the_day(site):
    from otoloop.review.decide import Act, decide

    site.hear("c1")
    with site.book.session() as session:
        notes.set_label(session, "c1", "belt_squeal", source="note_field")
    site.draft()
    with site.book.reading() as session:
        queued = items.items(session, state="queued")
    decide(
        site.book, queued[0].item.id, Act(actor="aya", decision="reject", seconds_spent=90, reason="no"), "otoloop-mini"
    )
    today = datetime.now(UTC).date()
    with site.book.reading() as session:
        (row,) = daily(session, 2, today).reviewed
        later = daily(session, 3, today + timedelta(days=1)).reviewed
    assert (row.day, row.site, row.decisions, row.minutes, row.queue) == (today, "osaka", 1, 1.5, len(queued) - 1)
    assert [(r.decisions, r.queue) for r in later if r.day == today] == [(1, None)]


@given(st.integers(0, 200), st.integers(1, 200))
def test_a_rate_lies_in_its_interval(hits, n):
    rate = Rate.of(min(hits, n), n)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1 and rate.low < rate.high
    assert Rate.of(0, 0) is None


@pytest.fixture
def inside(site, tmp_path, monkeypatch):
    """A workspace with a repository around the site's catalogue."""
    from otoloop.vcs import create

    folder = tmp_path / "site"
    (folder / "params.yaml").write_text("base: otoloop-mini\nreview: {answer_share: 0}\n")
    (folder / ".gitignore").write_text("/.otoloop/\n")
    create(folder).commit(["params.yaml", ".gitignore"], "Start")
    monkeypatch.setenv("OTOLOOP_WORKSPACE", str(folder))
    monkeypatch.chdir(folder)
    return folder


def test_the_command_picks_and_tells(site, inside):
    cli._register()
    site.hear("c1")
    site.ask("a1", "c1")
    site.say("a1", label="rub")
    told = CliRunner().invoke(cli.app, ["watch", "--json"], catch_exceptions=False)
    shown = json.loads(told.stdout)
    assert shown["picked"]["proposed"] == 1 and shown["cycle_due"] == []
    assert shown["numbers"]["served"][0]["complaints"]["hits"] == 1
    again = CliRunner().invoke(cli.app, ["watch"], catch_exceptions=False)
    assert "0 new answers" in again.stdout and "100 % (21 to 100 %, 1 of 1)" in again.stdout
    assert "No cycle is due." in again.stdout
